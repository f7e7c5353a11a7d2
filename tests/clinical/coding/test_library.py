import pytest

from clinical.coding import candidates
from clinical.coding.library import Library
from policies.errors import InputError, IntegrityError

RXNORM = [
    "1191|ENG||||||||||RXNORM|IN|1191|aspirin||N||",
    "1191|ENG||||||||||RXNORM|SY|1191|acetylsalicylic acid||N||",
    "198464|ENG||||||||||RXNORM|SCD|198464|aspirin 300 MG Rectal Suppository||N||",
    "29046|ENG||||||||||RXNORM|IN|29046|lisinopril||N||",
    "29046|ENG||||||||||MSH|MH|D1|lisinopril of another source||N||",
    "5|SPA||||||||||RXNORM|IN|5|aspirina||N||",
    "6|ENG||||||||||RXNORM|IN|6|suppressed aspirin||O||",
]
LOINC = [
    "LOINC_NUM,COMPONENT,STATUS,SHORTNAME,LONG_COMMON_NAME,COMMON_TEST_RANK",
    '2823-3,Potassium,ACTIVE,Potassium SerPl-sCnc,"Potassium [Moles/volume] in Serum or Plasma",2',
    '2828-2,Potassium,ACTIVE,Potassium Ur-sCnc,"Potassium [Moles/volume] in Urine",900',
    "9-9,Potassium,DEPRECATED,Old,Old potassium,1",
]
HEADER = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId"
FULL, SYNONYM = "900000000000003001", "900000000000013009"


def described(number, concept, kind, term, active="1", language="en"):
    return f"{number}\t20250101\t{active}\t9\t{concept}\t{language}\t{kind}\t{term}\t9"


SNOMED = [
    HEADER,
    described(1, "80146002", FULL, "Excision of appendix (procedure)"),
    described(2, "80146002", SYNONYM, "Appendectomy"),
    described(3, "66754008", FULL, "Appendix structure (body structure)"),
    described(4, "66754008", SYNONYM, "Appendix"),
    described(5, "80146002", SYNONYM, "Appendicectomy", active="0"),
]
OBO = """format-version: 1.2

[Term]
id: DOID:1
name: zebra fever
synonym: "quaggoid zwyxosis" EXACT []
synonym: "hoofed thing" RELATED []
xref: ICD10CM:R50.9

[Term]
id: DOID:2
name: obsolete fever
xref: ICD10CM:R50.9
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""


def made(tmp_path, name, lines):
    file = tmp_path / f"{name}.txt"
    file.write_text(lines if isinstance(lines, str) else "\n".join(lines) + "\n", "utf-8")
    library = Library(tmp_path / "codes")
    return library, library.add(name, file), file


def found(library, phrase, kind):
    return [(one.code, one.display) for one in candidates(phrase, kind, library=library)]


def test_rxnorm_knows_ingredients_and_drugs_by_all_their_names(tmp_path):
    library, done, _ = made(tmp_path, "rxnorm", RXNORM)
    assert (done.names, done.codes, done.bad) == (4, 3, 0)
    assert found(library, "Aspirin", "medication")[0] == ("1191", "aspirin")
    assert found(library, "acetylsalicylic acid", "medication")[0] == ("1191", "aspirin")
    assert found(library, "aspirin 300 mg suppository", "medication")[0][0] == "198464"
    assert found(library, "aspirina", "medication")[:1] != [("5", "aspirina")]


def test_loinc_ranks_the_commoner_of_equal_names_first(tmp_path):
    library, done, _ = made(tmp_path, "loinc", LOINC)
    assert (done.codes, done.bad) == (2, 0)
    assert [code for code, _ in found(library, "potassium", "test")] == ["2823-3", "2828-2"]


def test_snomed_gives_each_kind_its_own_concepts(tmp_path):
    library, done, _ = made(tmp_path, "snomed", SNOMED)
    assert done.names == 4
    assert found(library, "appendectomy", "procedure") == [("80146002", "Excision of appendix (procedure)")]
    assert found(library, "appendix", "anatomy")[0][0] == "66754008"
    assert found(library, "appendix structure", "procedure") == found(library, "appendicectomy", "procedure") == []


def test_the_disease_ontology_adds_names_to_icd10cm(tmp_path):
    assert found(None, "quaggoid zwyxosis", "problem") == []
    library, done, _ = made(tmp_path, "disease-ontology", OBO)
    assert (done.system, done.names, done.codes) == ("ICD-10-CM", 2, 1)
    assert found(library, "quaggoid zwyxosis", "problem")[0] == ("R50.9", "Fever, unspecified")
    assert found(library, "hoofed thing", "problem") == []


@pytest.mark.parametrize(
    ("name", "lines", "bad", "number"),
    [
        ("rxnorm", RXNORM, "1191|ENG|too short", 8),
        ("rxnorm", RXNORM, "x|ENG||||||||||RXNORM|IN|1|name||N||", 8),
        ("loinc", LOINC, "2823-3,too short", 5),
        ("loinc", LOINC, "no number,Potassium,ACTIVE,K,Potassium,1", 5),
        ("snomed", SNOMED, "6\tshort", 7),
        ("snomed", SNOMED, described(6, "80146002", "1", "another type"), 7),
    ],
)
def test_a_bad_line_is_named_and_the_rest_goes_on(tmp_path, name, lines, bad, number):
    good = made(tmp_path / "", name, lines)[1]
    _, done, file = made(tmp_path, name, [*lines, bad])
    assert (done.names, done.bad) == (good.names, 1)
    assert str(done.problems[0]).startswith(f"{file}, line {number}: ")


@pytest.mark.parametrize(("name", "lines"), [("rxnorm", "nothing\n"), ("loinc", "a,b\n"), ("snomed", "")])
def test_a_file_of_something_else_leaves_the_older_index_as_it_was(tmp_path, name, lines):
    right = {"rxnorm": RXNORM, "loinc": LOINC, "snomed": SNOMED}[name]
    library, done, file = made(tmp_path, name, right)
    file.write_text(lines)
    with pytest.raises(InputError):
        library.add(name, file)
    with pytest.raises(InputError, match="cannot be read"):
        library.add(name, tmp_path / "missing")
    assert library.imported() == (done,)
    assert [path.name for path in library.folder.iterdir()] == [f"{name}.sqlite"]


def test_words_of_a_phrase_are_no_query(tmp_path):
    library, _, _ = made(tmp_path, "rxnorm", RXNORM)
    for phrase in ('aspirin" OR "x', "aspirin AND NOT", "NEAR(aspirin)", "*", "'; DROP TABLE name; --"):
        candidates(phrase, "medication", library=library)


def test_a_damaged_index_says_what_to_do(tmp_path):
    library, _, _ = made(tmp_path, "rxnorm", RXNORM)
    library.path("rxnorm").write_bytes(b"no database " * 500)
    for reads in (library.imported, lambda: found(library, "aspirin", "medication")):
        with pytest.raises(IntegrityError, match="no index of codes") as raised:
            reads()
        assert "confide codes import rxnorm" in raised.value.hint
