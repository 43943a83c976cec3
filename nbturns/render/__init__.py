"""Values as text, rows, HTML and Markdown."""
