"""microseal on the host: authority, command line, backends, cross-checks and the simulated board."""
