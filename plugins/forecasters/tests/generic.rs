//! What every component promises, tried on the sample that it carries.

patchbay::test_components!(patchbay_forecasters);
