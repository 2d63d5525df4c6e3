//! What goes where.

use crate::cli::failure::CliError;
use crate::cli::output::testing::terminal;

#[test]
fn people_get_sentences_and_programs_get_json_alone() {
    let (mut for_people, out, err) = terminal(false, None);
    for_people.note("a note").unwrap();
    for_people.answer(&7, |seven| format!("it is {seven}")).unwrap();
    assert_eq!((out.text().as_str(), err.text().as_str()), ("it is 7\n", "a note\n"));

    let (mut for_programs, out, err) = terminal(true, None);
    for_programs.note("a note").unwrap();
    for_programs.answer(&7, |_| "never".to_owned()).unwrap();
    assert_eq!((out.text().as_str(), err.text().as_str()), ("7\n", ""));
}

#[test]
fn errors_go_beside_the_answer_and_one_that_nobody_hears_goes_nowhere() {
    let (mut for_programs, out, err) = terminal(true, None);
    for_programs.show_error(&CliError::refused("no").advice("yes"));
    let said: serde_json::Value = serde_json::from_str(&err.text()).unwrap();
    assert_eq!(said["error"]["message"], "no");
    assert_eq!(out.text(), "");

    let (mut for_people, _, err) = terminal(false, None);
    for_people.show_error(&CliError::silent());
    assert_eq!(err.text(), "");
}

#[test]
fn only_a_yes_is_a_yes() {
    for (typed, expected) in [
        ("y\n", true),
        ("YES\n", true),
        ("n\n", false),
        ("\n", false),
        ("", false),
        ("ja\n", false),
    ] {
        let (mut terminal, _, err) = terminal(false, Some(typed));
        assert_eq!(terminal.confirm("Close it?").unwrap(), expected, "{typed:?}");
        assert_eq!(err.text(), "Close it? [y/N] ");
    }
    let (mut alone, ..) = terminal(false, None);
    assert_eq!(alone.confirm("Close it?").unwrap_err().exit_code(), 3);
}
