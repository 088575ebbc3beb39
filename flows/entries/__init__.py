"""Stream entries on their way out: steps and offers of journeys, rejected records."""
