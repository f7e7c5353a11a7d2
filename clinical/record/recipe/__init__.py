"""How the reader that ships was trained; needs the corpora, no product code imports it."""
