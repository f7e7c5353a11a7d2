"""A patient's notes as one record: questions answered by quotation, a summary, a timeline."""
