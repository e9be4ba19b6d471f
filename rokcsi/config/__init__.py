"""Settings: `settings` is what the rest of the house sees, `reading` is where the values come from.

Only the command lines read settings; they pass frozen dataclasses on. The driver's lean
process gets them as JSON, so that it never imports pydantic.
"""
