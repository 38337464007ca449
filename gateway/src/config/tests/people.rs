//! Users, departments and reasons for breaks.

use super::*;

#[test]
fn people_are_unique_and_known() {
    let text = "\
[crm]
mode = \"off\"
[[users]]
login = \"anna\"
number = \"101\"
numbers = [\"102\", \"101\"]
supervises = [\"boriss\", \"anna\", \"boris\", \"Boris\"]
[[users]]
login = \"ANNA\"
number = \"102\"
[[users]]
login = \"boris\"
id = \"00000000-0000-0000-0000-000000000000\"
numbers = [\"200\"]
[[departments]]
name = \"Sales\"
users = [\"anna\", \"carl\"]
[[departments]]
name = \"Sales\"
id = \"5F1B3B0E-6A53-4F0C-9A7E-0F2F3A1D7C01\"
users = [\"anna\"]
[[break_reasons]]
id = 1
name = \"Lunch\"
[[break_reasons]]
id = 1
name = \"Tea\"
";
    assert_eq!(
        faults(text),
        [
            "6: users[1].numbers: number \"101\" is there twice",
            "7: users[1].supervises: \"Boris\" is there twice",
            "7: users[1].supervises: a user cannot supervise themselves",
            "7: users[1].supervises: unknown user \"boriss\"; did you mean \"boris\"?",
            "8: users[2].id: is the same as that of \"anna\"",
            "9: users[2].login: \"ANNA\" is there twice: \"anna\"",
            "10: users[2].number: number \"102\" is there twice",
            "13: users[3].id: must not be all zeros, which means \"none\"",
            "14: users[3].numbers: needs a main number: number",
            "17: departments[1].users: unknown user \"carl\"",
            "19: departments[2].name: is the same as that of \"Sales\"",
            "21: departments[2].users: \"anna\" is in a department already",
            "26: break_reasons[2].id: is the same as that of \"Lunch\"",
        ]
    );
}

#[test]
fn the_directory_holds_what_the_file_says() {
    let text = "\
[crm]
mode = \"off\"
[[users]]
login = \"Anna\"
id = \"5F1B3B0E-6A53-4F0C-9A7E-0F2F3A1D7C01\"
name = \"Anna Ivanova\"
number = \"101\"
numbers = [\"102\"]
password_md5 = \"5EBE2294ecd0e0f08eab7690d2a6ee69\"
operator = true
supervises = [\"boris\"]
[[users]]
login = \"boris\"
[[departments]]
name = \"Sales\"
users = [\"ANNA\"]
[[break_reasons]]
id = 2
name = \"Tea\"
";
    let directory = good(text).directory;
    let [anna, boris] = &directory.users[..] else {
        panic!("{directory:?}");
    };
    assert_eq!(anna.id.to_string(), "5f1b3b0e-6a53-4f0c-9a7e-0f2f3a1d7c01");
    let numbers: Vec<_> = anna
        .numbers
        .iter()
        .map(|(id, text)| (*id, &**text))
        .collect();
    assert_eq!(
        numbers,
        [(number_id("101"), "101"), (number_id("102"), "102")]
    );
    assert_eq!(anna.password_md5.map(|hash| hash[0]), Some(0x5e));
    assert_eq!(anna.password_lower_md5, None);
    assert!(anna.is_operator && !boris.is_operator);
    assert_eq!(anna.supervises, [boris.id]);
    assert_eq!(boris.id, user_id("Boris"));
    assert_eq!(anna.department, Some(department_id("Sales")));
    assert_eq!(boris.department, None);
    assert_eq!(directory.break_reasons[0].id, 2);
}
