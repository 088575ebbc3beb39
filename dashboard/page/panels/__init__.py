"""The panels of the page: one module each. Which there are, and where, says `dashboard.page.layout`."""
