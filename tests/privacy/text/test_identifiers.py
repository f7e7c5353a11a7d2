import pytest

from privacy.text import identifiers
from privacy.text.identifiers import TableRecognizer, dea, iban, luhn, nhs, npi, rules, table_recognizers, vin

RULES = [pytest.param(rule, id=f"{rule.category} {rule.name}") for rule in rules()]

# What looks like an identifier and is medicine.
CLINICAL = [
    "Strength was 12/12 and 5/5 in all groups.",
    "A 2/6 systolic murmur at the left sternal border.",
    "Blood pressure 120/80, pulse 72, temperature 98.6.",
    "T1/T2 signal at L4-5 and C5-6.",
    "Closed with 2-0 Vicryl and 4-0 Monocryl.",
    "Take 1/2 tablet of metoprolol 25 mg, 500 mg of vancomycin, every 24 hr.",
    "Parkinson disease; a Foley catheter was placed; Bell palsy; Crohn disease.",
    "LA mildly dilated, RA normal, EF 55-60%.",
    "May repeat in 2 weeks; it may be weaned.",
    "Hemoglobin 12.4, WBC 8.2, sodium 140, glucose 110 mg/dL, INR 2.5.",
    "Vision 20/40 and 6/12. Apgar 8/9. Pain 3/10. GCS 15.",
    "Status post CABG x 3; grade 2-3 anaplasia; stage IIIB.",
    "A 54-year-old man with a 95% stenosis followed for 90 days.",
    "Apgar scores were 8/9 and 9/10 at 1 and 5 minutes.",
    "Compression fractures of T12-L1 and L4-5 with C5-6 stenosis.",
    "Anastomosis with 7-0 Prolene, fascia with 0 PDS, skin with 3-0 Vicryl.",
    "A mass of 10 x 12 cm, 3.5 x 2.1 x 4.0 cm on repeat.",
    "ANA positive at 1:320, epinephrine 1:1000, monitored 24/7.",
    "pH 7.35, pCO2 42, pO2 88, bicarbonate 24, base excess -2.",
    "Gleason 3+4=7 in 4/12 cores; PSA 6.7.",
    "Coded as C34.90, I10, E11.65 and Z79.4.",
    "On POD 2 he walked; x3 days of cefazolin.",
    "Reflexes 2+ and symmetric; pulses 2/4 in both feet.",
    "MMSE 24/30, MoCA 22/30, PHQ-9 of 12, GAD-7 of 8.",
    "CHA2DS2-VASc 4, HAS-BLED 2, MELD 18, Child-Pugh B7.",
    "HbA1c 7.2%, LDL 96, HDL 41, triglycerides 150-200.",
    "Lisinopril 10 mg po qd, metformin 500 mg po bid, insulin glargine 20 units qhs.",
    "Morphine 2-4 mg IV q2-4h prn; Percocet 5/325 one tab q6h.",
    "Oxycodone 5/325, Augmentin 875/125, Bactrim 800/160, Advair 250/50.",
    "Normal saline at 125 mL/hr, then D5 1/2 NS with 20 KCl.",
    "A 5 mm polyp at 20 cm; a 6 Fr sheath; an 18-gauge needle.",
    "Trisomy 21, 46,XX, HLA-B27, BRCA1, HER2, p53, CD4 count 350.",
    "Rectal exam guaiac negative. Romberg negative. Babinski downgoing.",
    "McBurney point tenderness, Murphy sign negative, Homans sign negative.",
    "Whipple procedure, Roux-en-Y bypass, Nissen fundoplication, Hartmann pouch.",
    "Swan-Ganz catheter, Hickman line, Jackson-Pratt drain, Kocher clamp.",
    "Alzheimer disease, Hodgkin lymphoma, Graves disease, Cushing syndrome.",
    "Down syndrome, Marfan syndrome, Barrett esophagus, Wilson disease.",
    "Neer II, Mallampati III, ASA II, NYHA class III, CKD stage 3b.",
    "O2 sat 95% on room air, FiO2 40%, PEEP 5, tidal volume 450.",
    "Tmax 101.2 F, HR 98, RR 18, BP 98/60, weight 93 kg.",
    "G3P2012 at 39 2/7 weeks; cervix 4/80/-2; fundus at 36 cm.",
    "Visual acuity 20/20 OD and 20/200 OS; IOP 16/18.",
    "ROM 0-130; extension 110 degrees; flexion 0 to 95 degrees.",
    "Urine output 1500-2000 mL; platelets 250000; troponin 0.04.",
    "The patient was alert and oriented x3. Cranial nerves II-XII intact.",
    "S1, S2 normal; no S3 or S4; PMI at the 5th intercostal space.",
    "Fracture of the 5th metatarsal; 3rd digit; 2nd toe; on the 3rd day.",
    "MRI on a 1.5 T magnet; CT with 5 mm cuts; PA and lateral chest films.",
    "Left the OR in good condition; ER visit; MD to see; DO not resuscitate.",
    "PLAN: Continue aspirin. ASSESSMENT: Stable. CHIEF COMPLAINT: Chest pain.",
    "Family history: mother with breast cancer, father died of stroke at 60.",
    "Mother: Hypertension. Father: Diabetes. Sister: Asthma.",
    "Discussed with Cardiology and Infectious Disease; seen by Physical Therapy.",
    "He was transferred to the Intensive Care Unit, then to the Pain Clinic.",
    "ECOG 1, Karnofsky 90, Braden 18, Ranson 3, Wells score 4.5.",
    "ER 90% positive, PR 80% positive, Ki-67 15%; pT2 N1 M0; 3/14 nodes positive.",
    "Ejection fraction 55, gradient 42/25 mmHg, valve area 0.8 cm2.",
    "Bupivacaine 0.25% with epinephrine 1:200,000, 10 cc.",
    "Vancomycin trough 15.2; gentamicin 80 mg; heparin 5000 units SQ.",
    "Dressing changed at 0800, 1200 and 1600; NPO after midnight.",
    "Christmas tree pattern; march fracture; fall risk; spring in the step.",
    "ICD lead in the RV; AV block; VT at 180; DDD 60-120.",
    "Smoked 1-2 ppd for 30 years; 6-pack of beer; quit 10 years ago.",
    "Follow up in 2-3 weeks, 3 months and 1 year; call if fever over 101.5.",
    "Dr. X saw her. The nurse was called. Mr. and Mrs. were asked.",
    "Serial troponins, a lot of pain, model of care, plate and 6 screws.",
    "Group B strep negative; plan of care; policy of the unit; case closed.",
    "Bill was not an issue; the account of the fall; order of onset.",
    "Strength last 4/5, again 3/5; pain again 7/10; murmur again 2/6; power has returned to 5/5.",
    "The I.V. was placed, the O.R. was ready. C.T. is planned. Physical Therapist (PT) arrived.",
    "In case 10000 units are given; report 12000 steps; order 50000 units weekly.",
    "A truck hit the car at 60 mph; CAR 60 MPH; the T12-L1-S1 levels.",
    "Mutations BRAF V600E, KRAS G12D, EGFR L858R, TP53 R175H and JAK2 V617F; CYP2C19*2; rs1801133.",
    "CA 19-9 of 37, CA-125 35, CEA 2.5, AFP 1200, beta-hCG 25000.",
    "CD4 1200, CD4/CD8 0.9, platelets 250000, WBC 12000, ANC 1500.",
    "HLA-B27 positive; HLA-DRB1-0401 negative; SARS-CoV-2, COVID-19, H1N1 and H3N2 negative.",
    "Enrolled in the NCT02345678 trial; PF-06463922 and MK-3475 were given.",
    "BP 190/95, HR 92, RR 18, temp 98.6, sat 97, glucose 102, PO2 95.",
    "She weighed 95 kg. IQ 95. He scored 92 on the test. FEV1 92%, MCV 95.",
    "Percocet 5/325 mg, D5 1/2 NS, Zip 1.5, #4-0 nylon, 6-French JL4, PEG-3350 17 g.",
    "Stage T4N1M0, pT2N0M0, G3P2012; obstetric history G4P3013.",
    "Fusion C3-4/C4-5/C5-6, T12-L1-S1; screws 6.5 x 45 mm; lens +21.5 D; stent 3.5 x 18 mm.",
    "Mother weighs 95, father took 95 mg; son with HR 95, well; partner called 95 times.",
    "Lungs clear, Temp 98 F today. Skin dry, T 101 F. Tolerated well, 95% of goal.",
    "Coded 99213 with J3490 and E11649; LOINC 2345-7; grade G2; ICD-10-CM.",
    "The pump gave 25000 units; lead threshold 0.75 V @ 0.4 ms; generator at 5.5 V, impedance 480 ohm.",
    "Fingerprints were smudged; DNA sample (10 ml) drawn; iris normal, retinal scan 12/40; face 2 cm.",
    "Family history: aunt, 62, breast cancer; uncle with an LDL of 102; parents live 95 miles away.",
    "HIV-1/HIV-2 negative, HPV-16/18 positive, CIN2-3, IL-6 of 1200, C1-INH low.",
    "A CAR WAS HIT AT 60 MPH, GCS 15T; IN THE BUS FOR 20 MIN; VAN AND HR 92 BPM.",
    "RN 2 L nasal cannula; DLCO 88; licensed since 1998; certification 2010-2014; permit for 30 days; reg diet",
    "2000 kcal.",
    "Plate and 6 screws; plate with 8 holes; plate 3.5 mm; growth plate 2 mm; skin tag 2 mm; tagged WBC 250; VIN",
    "III.",
    "Iris nevus 2 mm; retina 20/40; voice 4/10; thumb 45 degrees; DNA 200 copies; dsDNA 1:320; palm 3 x 4 cm;",
    "gait 10 m.",
    "T: 98.6; P: 72; H: 5.2; W: 72 kg; x4 extremities; x 1200; Extension 0-120; extension 110; Ext: 2+ pulses;",
    "desk 12.",
    "Paged at 0800; call at 10; home 120/80; contact precautions; text 12 pages; his number is 4; work 8 hours.",
    "95 years of follow-up; 100 years ago; HR 94; sat 94; glucose 94; Total Cholesterol, 94, was fine; Temp 94 F",
    "today.",
    "Group A 1200; ins 20 units; CIN 2; policy of 12; coverage for 24 hours; card 12; contract 3; card of 12",
    "pages.",
]


def found(rule, text):
    return [(r.start, r.end) for r in TableRecognizer(rule.category, [rule]).analyze(text, [])]


@pytest.mark.parametrize("rule", RULES)
def test_example_is_found_where_its_braces_are(rule):
    start, end = rule.example.index("{"), rule.example.index("}") - 1
    assert found(rule, rule.example.replace("{", "").replace("}", "")) == [(start, end)]


@pytest.mark.parametrize("rule", [p for p in RULES if p.values[0].needs])
def test_a_rule_that_is_tried_only_near_what_it_needs_misses_nothing_in_a_long_note(rule):
    around = "\n" + "And so it goes on, all in one line. " * 40 + "\n"
    example = rule.example.replace("{", "").replace("}", "")
    start, end = rule.example.index("{") + len(around), rule.example.index("}") - 1 + len(around)
    assert (start, end) in found(rule, around + example + around)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_found_in_the_counter_example(rule):
    assert found(rule, rule.counter_example) == []


@pytest.mark.parametrize("rule", [p for p in RULES if p.values[0].needs])
def test_a_rule_is_not_skipped_on_its_own_example(rule):
    assert any(piece in rule.example.lower() for piece in rule.needs)


@pytest.mark.parametrize("text", CLINICAL)
def test_clinical_look_alikes_are_left_alone(text):
    assert [text[r.start : r.end] for recognizer in table_recognizers() for r in recognizer.analyze(text, [])] == []


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("member HMO-9007797-01, seen", "HMO-9007797-01"),
        ("MR1234567.2/03. Seen", "MR1234567.2/03"),
        ("MR1234567.Seen", "MR1234567"),
        ("MR1234567/DOB", "MR1234567"),
        ("BCBS1234567-seen", "BCBS1234567"),
    ],
)
def test_a_code_is_taken_whole_and_no_word_behind_it(text, whole):
    found = [r for recognizer in table_recognizers() for r in recognizer.analyze(text, [])]
    codes = [r for r in found if r.entity_type in ("MRN", "HEALTH_PLAN")]
    assert {text[r.start : r.end] for r in codes} == {whole}


# As clinicians and secretaries write them, each found by the tables alone.
WRITTEN = [
    "DL {CA D4471902}", "licence {MORGA 657054 SM9IJ}", "NMC PIN {12A3456E}", "reg no: {PT 44719}",
    "alien number {A 204-471-902}", "licensed in Ohio (no. {RN-44719})", "(DEA {BQ4471902}; NPI {1447190226})",
    "DL ending in {4719}", "EMT-P {044719}", "A. Bakare, MD ({A44719})", "rn lic {447190}", "{A44719} (CA license)",
    "OHIP {4471 902 214}", "CDL# {T44719023}",
    "plate {5fgi548} seen", "reg. no. {LV 61 KTW}", "vin no {1hgcm82633a004352}", "truck, {TX KTW-6312}",
    "tag (FL) {AJK 447}", "motorcycle plate {44K71}", "tail number {N447KT}", "vanity plate {GOBUCKS}",
    "plated {KTW 6312}", "VIN ending {042788}", "rego {KTW44D}", "dealer plate {D44719}", "HIN {ABC12345D404}",
    "Fingerprint card filed as {FD-258-44719}", "faceprint {FP4471}", "iris code {4471A9}",
    "thumb print ref {TP4471}", "Fingerprints: left {FP447}, right {FP448}", "verified by palm ({PM-44719})",
    "{IR44719}, iris scan", "voiceprint on file: {VP/44719}",
    "Ext {4-4471}", "x{4471}", "page me at {4471}", "Vocera {4471}", "dial {9-555-0182}", "{614-555-0182} or {0183}",
    "{0412 345 678}", "{0151 23456789}", "{030/1234567}", "her number, {555 0182}", "{(614)5550182}",
    "nurses' station {4-4471}", "work: {555-0182 x44}", "told {404-527-5923\next 5224}", "by dad, {920\n252 4501}.",
    "son, {+44 20\n7567 4989}.",
    "she's {93}", "pt. is {93}", "{93} yrs with falls", "aunt who is {93}", "lived to be {103}", "{93}y4m",
    "Niece Femke\nEze, {100}, came", "Dad Ognjen Down,\n{98}, came", "Ada Byron, {93}, lives", "mother ({94}) here",
    "PGF: {92}, MI", "Age\n{93}",
    "ins {W1695282297 01}", "subscr {447190221-01}", "CIN {90447190A}", "contract # {XQH447190221}",
    "MRN B25-17-75; held as {B36-08-59} there",
]  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_what_people_write_is_found(text):
    plain, spans = text.replace("{", "").replace("}", ""), []
    for number, opened in enumerate(i for i, c in enumerate(text) if c == "{"):
        start = opened - 2 * number
        spans.append((start, start + text[opened:].index("}") - 1))
    covered = {i for rec in table_recognizers() for r in rec.analyze(plain, []) for i in range(r.start, r.end)}
    assert all(i in covered or not plain[i].isalnum() for start, end in spans for i in range(start, end))


def test_every_page_head_and_copy_line_of_a_kind_is_found():
    text = "cc: the chart\n    Okonkwo, Ada\n    An, Bo\nMAY, ADA   B10-13-40   Acc# 7448273   DOB 2/3/61"
    found = {text[r.start : r.end] for recognizer in table_recognizers() for r in recognizer.analyze(text, [])}
    assert {"Okonkwo, Ada", "An, Bo", "B10-13-40", "7448273", "2/3/61"} <= found


def test_every_pattern_category_of_safe_harbor_has_a_rule():
    assert {rule.category for rule in rules()} == {
        "NAME", "ADDRESS", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE",
        "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO", "ID", "HOSPITAL",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (luhn, "4111 1111 1111 1111"),
        (dea, "AB1234563"),
        (vin, "1M8GDM9AXKP042788"),
        (nhs, "943 476 5919"),
        (npi, "1234567893"),
        (iban, "GB82 WEST 1234 5698 7654 32"),
    ],
)
def test_check_digits_refuse_any_other_last_digit(check, good):
    others = [good[:-1] + digit for digit in "0123456789" if digit != good[-1]]
    assert check(good)
    assert not any(map(check, others))


def test_a_rule_that_runs_out_of_time_raises(monkeypatch):
    monkeypatch.setattr("privacy.text.identifiers.TIMEOUT_SECONDS", 1e-9)
    recognizer = TableRecognizer("NAME", [rule for rule in rules() if rule.name == "before a degree"])
    with pytest.raises(TimeoutError):
        recognizer.analyze("Aa Bb Cc MD " * 50_000, [])


def test_a_pattern_is_compiled_once_and_only_for_a_text_that_holds_what_it_needs():
    identifiers._compiled.cache_clear()
    for _ in range(2):
        for recognizer in table_recognizers():
            recognizer.analyze("\N{BULLET}", [])
    assert identifiers._compiled.cache_info().misses == len({rule.regex for rule in rules() if not rule.needs})
