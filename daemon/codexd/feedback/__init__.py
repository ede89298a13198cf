"""Reports of a problem: what goes into a report, and how it is saved or sent."""
