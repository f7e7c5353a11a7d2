"""What the pages show: every number and every sentence, as frozen data from the floors below; knows no Streamlit."""
