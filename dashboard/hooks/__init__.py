"""Decision support for record systems: a CDS Hooks 2.0 service (HL7), hook `patient-view`."""
