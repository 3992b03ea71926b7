use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const ANN: u8 = 0;
const BOB: u8 = 1;

fn budget(at_once: usize, at_once_per_user: usize) -> Budget {
    Budget { at_once, at_once_per_user, waiting: 10_000, waiting_per_user: 5_000, max_cost: u64::MAX }
}

/// Has work come: it starts at once, or waits and whatever may start does.
fn come(queue: &mut FairQueue<u8, u32>, user: u8, cost: u64, job: u32) -> Vec<(u8, u32)> {
    if queue.try_start(&user, cost) {
        return vec![(user, job)];
    }
    queue.wait(&user, cost, Claim::Bounded, job).unwrap();
    std::iter::from_fn(|| queue.next()).collect()
}

fn finish(queue: &mut FairQueue<u8, u32>, user: u8) -> Vec<(u8, u32)> {
    queue.finish(&user);
    std::iter::from_fn(|| queue.next()).collect()
}

/// With 1,000 jobs of one user queued, another's first job has the next place that becomes free, however many jobs may run
/// at once and whatever they cost.
#[test]
fn a_newcomer_is_next() {
    for (at_once, cost) in [(1, 1), (1, 1_000_000), (4, 1), (4, 1_000_000)] {
        let mut queue = FairQueue::new(budget(at_once, at_once));
        for job in 0..1_000 {
            come(&mut queue, ANN, cost, job);
        }
        for _ in 0..100 {
            finish(&mut queue, ANN);
        }
        assert_eq!(come(&mut queue, BOB, 1, 7), []);
        assert_eq!(finish(&mut queue, ANN), [(BOB, 7)]);
    }
}

#[test]
fn a_user_at_the_limit_leaves_room_for_others() {
    let mut queue = FairQueue::new(budget(3, 2));
    let started: usize = (0..10).map(|job| come(&mut queue, ANN, 1, job).len()).sum();
    assert_eq!(started, 2);
    assert_eq!(come(&mut queue, BOB, 1, 7), [(BOB, 7)]);
    assert_eq!(finish(&mut queue, BOB), []);
}

/// A user with expensive work gets as much of the lane as one with cheap work, not as many turns.
#[test]
fn turns_are_weighted_by_cost() {
    let mut queue = FairQueue::new(budget(1, 1));
    let mut started = Vec::new();
    for job in 0..100 {
        started.extend(come(&mut queue, ANN, 10, job));
        started.extend(come(&mut queue, BOB, 1, job));
    }
    let mut turns = HashMap::<u8, u32>::new();
    for _ in 0..77 {
        let (user, _) = started.pop().unwrap();
        *turns.entry(user).or_default() += 1;
        started = finish(&mut queue, user);
    }
    assert_eq!(turns, HashMap::from([(ANN, 7), (BOB, 70)]));
}

/// The cost of an opening is known only when the notebook is loaded.
#[test]
fn what_is_charged_later_counts() {
    let mut queue = FairQueue::new(budget(1, 1));
    come(&mut queue, ANN, 1, 0);
    come(&mut queue, ANN, 1, 1);
    queue.charge(&ANN, 5);
    for job in 2..7 {
        come(&mut queue, BOB, 1, job);
    }
    let mut order = vec![ANN];
    for _ in 0..6 {
        let started = finish(&mut queue, *order.last().unwrap());
        order.extend(started.iter().map(|(user, _)| *user));
    }
    assert_eq!(order, [ANN, BOB, BOB, BOB, BOB, BOB, ANN]);
}

#[test]
fn a_user_who_waits_at_the_own_limit_saves_up_no_turns() {
    let mut queue = FairQueue::new(budget(2, 1));
    come(&mut queue, ANN, 1, 0);
    come(&mut queue, ANN, 1, 1);
    come(&mut queue, ANN, 1, 2);
    for job in 0..1_000 {
        come(&mut queue, BOB, 1, job);
    }
    for _ in 0..500 {
        finish(&mut queue, BOB);
    }
    let carol = 2;
    assert_eq!(come(&mut queue, carol, 1, 7), []);
    // Ann's second has the tag of the present as well, and was ready later.
    assert_eq!(finish(&mut queue, ANN), [(carol, 7)]);
}

#[test]
fn what_does_not_fit_is_refused_for_the_user_and_for_all() {
    let mut queue = FairQueue::new(Budget { waiting: 3, waiting_per_user: 2, ..budget(1, 1) });
    assert!(queue.try_start(&ANN, 1));
    let mut wait = |user: u8, claim| queue.wait(&user, 1, claim, 0);
    assert!(wait(ANN, Claim::Bounded).is_ok() && wait(ANN, Claim::Bounded).is_ok());
    assert_eq!(wait(ANN, Claim::Bounded), Err(QueueFull::ForUser));
    assert!(wait(BOB, Claim::Bounded).is_ok());
    assert_eq!(wait(BOB, Claim::Bounded), Err(QueueFull::ForAll));
    assert!(wait(ANN, Claim::Always).is_ok());
    assert_eq!(queue.take_bounded().len(), 3);
    queue.finish(&ANN);
    assert!(queue.next().is_some() && queue.next().is_none());
}

#[test]
fn what_is_first_comes_before_all_others() {
    let mut queue = FairQueue::new(budget(1, 1));
    for user in 0..100 {
        come(&mut queue, user, 1, 0);
    }
    queue.wait(&200, 0, Claim::First, 9).unwrap();
    assert_eq!(finish(&mut queue, 0), [(200, 9)]);
}

#[derive(Clone, Debug)]
enum Step {
    Come { user: u8, cost: u64 },
    Finish(prop::sample::Index),
    Cancel(prop::sample::Index),
    Charge { user: u8, cost: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..5_u8, 1..20_u64).prop_map(|(user, cost)| Step::Come { user, cost }),
        4 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => (0..5_u8, 1..20_u64).prop_map(|(user, cost)| Step::Charge { user, cost }),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    /// Whatever comes, ends and goes away: no limit is exceeded, no room is left unused, each job starts once and in its
    /// user's order, and while a user's first job waits, every other user starts at most one.
    #[test]
    fn turns_are_fair(steps in steps(), at_once in 1..5_usize, per_user in 1..5_usize) {
        let per_user = per_user.min(at_once);
        let mut queue: FairQueue<u8, u32> = FairQueue::new(budget(at_once, per_user));
        let mut running: Vec<u8> = Vec::new();
        let mut waiting: HashMap<u8, Vec<(u32, u64)>> = HashMap::new(); // job and number
        // For each user whose first job waits: how many jobs each other user has started since.
        let mut overtaken: HashMap<u8, HashMap<u8, u32>> = HashMap::new();
        let mut job = 0;
        for step in steps {
            let mut starting: Vec<(u8, u32)> = Vec::new();
            match step {
                Step::Come { user, cost } => {
                    job += 1;
                    if queue.try_start(&user, cost) {
                        prop_assert!(waiting.get(&user).is_none_or(Vec::is_empty));
                        running.push(user);
                        for others in overtaken.values_mut() {
                            *others.entry(user).or_default() += 1;
                        }
                    } else {
                        // Who has had more than the others lately waits for them first.
                        let is_new = queue.users.get(&user).is_none_or(|known| known.tag <= queue.now);
                        let number = queue.wait(&user, cost, Claim::Bounded, job).unwrap();
                        let jobs = waiting.entry(user).or_default();
                        if is_new && jobs.is_empty() && !running.contains(&user) {
                            overtaken.insert(user, HashMap::new());
                        }
                        jobs.push((job, number));
                    }
                }
                Step::Finish(which) if !running.is_empty() => {
                    let user = running.swap_remove(which.index(running.len()));
                    queue.finish(&user);
                }
                Step::Cancel(which) => {
                    let mut all: Vec<(u8, u32, u64)> = Vec::new();
                    for (user, jobs) in &waiting {
                        all.extend(jobs.iter().map(|(job, number)| (*user, *job, *number)));
                    }
                    all.sort_unstable();
                    if !all.is_empty() {
                        let (user, job, number) = all[which.index(all.len())];
                        queue.cancel(&user, number);
                        waiting.get_mut(&user).unwrap().retain(|(other, _)| *other != job);
                        // What comes after it in the queue has another place now.
                        overtaken.remove(&user);
                    }
                }
                // A cost counts for a user with work under way; one who waits for the first turn has none.
                Step::Charge { user, cost } if running.contains(&user) => queue.charge(&user, cost),
                Step::Finish(_) | Step::Charge { .. } => {}
            }
            starting.extend(std::iter::from_fn(|| queue.next()));
            for (user, started) in starting {
                let jobs = waiting.get_mut(&user).unwrap();
                prop_assert_eq!(jobs.remove(0).0, started);
                running.push(user);
                overtaken.remove(&user);
                for (waiter, others) in &mut overtaken {
                    let count = others.entry(user).or_default();
                    *count += 1;
                    prop_assert!(*count <= 1, "user {} was overtaken twice by {}", waiter, user);
                }
            }
            // Limits, and no room unused.
            let of = |user: u8| running.iter().map(|other| usize::from(*other == user)).sum::<usize>();
            prop_assert!(running.len() <= at_once);
            for user in 0..5 {
                prop_assert!(of(user) <= per_user);
                let waits = waiting.get(&user).is_some_and(|jobs| !jobs.is_empty());
                prop_assert!(!waits || running.len() == at_once || of(user) == per_user);
            }
        }
        // In the end everything that was not cancelled has started.
        while let Some(user) = running.pop() {
            queue.finish(&user);
            while let Some((user, started)) = queue.next() {
                prop_assert_eq!(waiting.get_mut(&user).unwrap().remove(0).0, started);
                running.push(user);
            }
        }
        prop_assert!(waiting.values().all(Vec::is_empty));
        prop_assert!(queue.users.is_empty() && queue.ready.is_empty());
    }
}
