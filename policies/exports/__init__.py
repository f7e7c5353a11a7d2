"""The audit log in the forms that others read."""
