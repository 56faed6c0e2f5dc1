"""Jupyter's own conformance tests, run on the registered kernel."""

import unittest

import jupyter_kernel_test


class PatchbayTests(jupyter_kernel_test.KernelTests):
    kernel_name = "patchbay"
    language_name = "rust"
    file_extension = ".rs"

    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh no");'
    code_page_something = "%help"
    code_generate_error = "let list = vec![1]; list[5]"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": 'String::from("text")', "result": '"text"'},
    ]
    code_display_data = [
        {"code": 'display(&html("<b>bold</b>"));', "mime": "text/html"},
        {"code": "display(&plot::lines().series(\"a\", [1, 2]).draw()?);", "mime": "image/svg+xml"},
        {"code": "display(&image(&Tensor::ones((8, 8), DType::F32, &device())?)?);", "mime": "image/png"},
    ]
    code_clear_output = "clear_output(false);"

    complete_code_samples = ["1 + 1", "let x = 5;", "fn f() -> i32 { 1 }", "%who"]
    incomplete_code_samples = ["fn f() {", "let x = (1,", 'let s = "abc']
    invalid_code_samples = ["let = 5;", "fn f) {"]

    completion_samples = [
        {"text": "%tim", "matches": {"%time", "%timeit"}},
        {"text": "LivePl", "matches": {"LivePlot"}},
        {"text": 'create::<dyn Loss>("loss/foc', "matches": {"loss/focal", "loss/focal_tversky"}},
    ]
    code_inspect_sample = "LivePlot"

    code_history_pattern = "6*7"
    supported_history_operations = ("tail", "range", "search")


class WelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "patchbay"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main()
