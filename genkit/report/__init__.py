"""Reports: boards and records as text, Markdown, CSV, JSON and HTML."""
