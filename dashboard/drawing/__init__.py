"""What the pages draw: a note with its marks, cards, and figures by plotly.

Whatever comes from a record, a plan or a card is escaped here, with `html.escape` in HTML and `plain` in Markdown.
"""
