"""Reports: a board or a record as text, Markdown, CSV, JSON or HTML."""
