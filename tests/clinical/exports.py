"""Small FHIR exports for tests."""

import base64
import json

CANARY = "Zebulon"


def patient(patient_id, family="Quist", **more):
    return {"resourceType": "Patient", "id": patient_id, "name": [{"family": family, "given": [CANARY]}], **more}


def condition(condition_id, patient_id, **more):
    code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I10"}]}
    subject = {"reference": f"Patient/{patient_id}"}
    return {"resourceType": "Condition", "id": condition_id, "code": code, "subject": subject, **more}


def document(document_id, patient_id, text=f"{CANARY} Quist was seen on 3/14/2019.", content_type="text/plain", **more):
    data = text if isinstance(text, bytes) else text.encode()
    return {
        "resourceType": "DocumentReference",
        "id": document_id,
        "status": "current",
        "subject": {"reference": f"Patient/{patient_id}"},
        "content": [{"attachment": {"contentType": content_type, "data": base64.b64encode(data).decode()}}],
        **more,
    }


def write_export(folder, *resources, name="everything.ndjson"):
    folder.mkdir(exist_ok=True)
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in resources]
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    return folder


def note_text(resource):
    return base64.b64decode(resource["content"][0]["attachment"]["data"]).decode()
