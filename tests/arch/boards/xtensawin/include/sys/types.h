/* MicroPython's headers ask for it, and use nothing of it here. */
