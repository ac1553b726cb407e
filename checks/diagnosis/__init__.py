"""What a lab needs to know and explain, a module for each subject: what stays in the lab are its own sentences."""
