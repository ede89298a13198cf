"""The format of records, and how to find a record in a file."""
