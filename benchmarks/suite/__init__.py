"""What is timed beside other libraries, and how: one module for each kind of work, none imports torch on its own."""
