"""How the tagger that ships was trained; needs the development packages and the corpora, no product code imports it."""
