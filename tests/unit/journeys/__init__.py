"""Of `flows.journeys`: what journeys come to, on a clock of the test's own."""
