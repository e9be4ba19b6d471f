"""What can be seen of a running driver: structured logs, Prometheus metrics, health on HTTP."""
