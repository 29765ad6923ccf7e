"""Two small models of the seam, made of the code's own tables, and explored to the end: no trace breaks an invariant, and each rule is needed."""
