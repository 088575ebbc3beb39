"""The live page: `streamlit run dashboard/app.py`. It only reads Redis; `board` is its one door to it."""
