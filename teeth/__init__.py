"""Shows that the scenarios bite: a defect is planted, and the scenario that is made for it must fail."""
