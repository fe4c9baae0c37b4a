"""What operations cost on the boards' processors, counted on this machine."""
