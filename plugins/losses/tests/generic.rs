//! Promises of every component, tried on the sample that it carries.

patchbay::test_components!(patchbay_losses);
