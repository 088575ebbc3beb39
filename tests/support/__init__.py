"""What tests are made with: servers, brokers, processes, logs of clicks, what Redis holds."""
