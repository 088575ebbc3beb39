"""The live page: `streamlit run dashboard/app.py`. It only reads Redis, by `dashboard.data.reader`."""
