//! Tests that one user's attacks do not affect another user. The benchmark measures times:
//! `cargo bench -p quire-tests --bench neighbour`.

use std::collections::BTreeMap;

use quire_tests::neighbour::{ATTACKS, Attacker, Neighbour, resident_bytes, server};

/// Maximum memory of the server under attack, in bytes: its memory at rest, the maximum that it holds of bodies and
/// answers, and as much again for what it makes of them.
const MAX_RESIDENT: u64 = 1024 * 1024 * 1024;

#[test]
fn while_one_user_attacks_another_reads_edits_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let server = server(&["--notebooks-dir", dir]);
    let attacker = Attacker::of(&server);
    let _ = attacker.ask("GET", "/api/notebooks", "");
    let mut neighbour = Neighbour::of(&server);
    assert!(ATTACKS.len() >= 20);
    for attack in ATTACKS {
        let siege = (attack.run)(&attacker);
        neighbour.probe();
        assert!(neighbour.read() && neighbour.edit(), "{}", attack.name);
        neighbour.hear();
        let mut answers = BTreeMap::<u16, usize>::new();
        for answer in &siege.answers {
            *answers.entry(*answer).or_default() += 1;
        }
        let is_documented = |answer: &u16| *answer == attack.answer || attack.others.contains(answer);
        assert!(answers.keys().all(is_documented), "{}: {answers:?}", attack.name);
        assert!(answers.contains_key(&attack.answer), "{}: {answers:?}", attack.name);
        let resident = resident_bytes(&server);
        assert!(resident < MAX_RESIDENT, "{}: {} MiB", attack.name, resident >> 20);
    }
    let log = server.terminate_and_log();
    assert!(!log.contains("ERROR"), "{log}");
}
