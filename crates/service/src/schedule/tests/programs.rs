//! Random notebooks of small Python cells, what is done to them, and an interpreter that says what the cells do.
//!
//! It knows nothing of schedules, so that it serves a test with a kernel too: [`code`] is Python, and [`execute`] does what Python
//! does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

const VARIABLES: [&str; 4] = ["x", "y", "z", "w"];
const FUNCTIONS: [&str; 2] = ["f", "g"];
/// Numbers stay below it.
const MODULUS: u64 = 10_007;
/// Calls within calls after which a function counts as one that never returns; there are no more functions than
/// [`FUNCTIONS`], so that it is one.
const MAX_DEPTH: usize = 20;

/// A number that is computed from variables and calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    constant: u64,
    variables: Vec<&'static str>,
    calls: Vec<&'static str>,
}

/// A statement of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Assign(&'static str, Expression),
    Define(&'static str, Expression),
    Show(Expression),
    Delete(&'static str),
    Raise,
}

/// What a name holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Function(Expression),
}

/// The names of a namespace; `None` for one of unknown value.
pub(crate) type Names = BTreeMap<&'static str, Option<Value>>;

/// The reason why statements did not run to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Python raises an error.
    Raised,
    /// A value was needed that is not known.
    Unknown,
}

/// Returns the Python of a cell.
pub(crate) fn code(statements: &[Statement]) -> String {
    statements.iter().fold(String::new(), |mut code, statement| {
        match statement {
            Statement::Assign(name, value) => writeln!(code, "{name} = {}", value.code()),
            Statement::Define(name, value) => writeln!(code, "def {name}():\n    return {}", value.code()),
            Statement::Show(value) => writeln!(code, "print({})", value.code()),
            Statement::Delete(name) => writeln!(code, "del {name}"),
            Statement::Raise => writeln!(code, "raise RuntimeError()"),
        }
        .unwrap();
        code
    })
}

/// Runs statements. Returns the numbers that they show.
pub(crate) fn execute(statements: &[Statement], names: &mut Names) -> Result<Vec<u64>, Failure> {
    let mut shown = Vec::new();
    for statement in statements {
        match statement {
            Statement::Assign(name, value) => {
                let number = value.evaluate(names, 0)?;
                names.insert(name, Some(Value::Number(number)));
            }
            Statement::Define(name, body) => {
                names.insert(name, Some(Value::Function(body.clone())));
            }
            Statement::Show(value) => shown.push(value.evaluate(names, 0)?),
            Statement::Delete(name) => {
                names.remove(name).ok_or(Failure::Raised)?;
            }
            Statement::Raise => return Err(Failure::Raised),
        }
    }
    Ok(shown)
}

/// The names that a cell mentions: by the rules, not by the analyser.
#[derive(Clone, Debug)]
pub(crate) struct Mentions {
    /// The names that it takes from other cells, each with `true` if only its functions do.
    pub(crate) reads: BTreeMap<&'static str, bool>,
    pub(crate) writes: BTreeSet<&'static str>,
    /// The names that its functions use and that `reads` does not tell as such: it writes them itself, or reads them while it runs
    /// too.
    pub(crate) hidden_in_functions: BTreeSet<&'static str>,
}

/// Returns the names that a cell mentions.
pub(crate) fn mentions(statements: &[Statement]) -> Mentions {
    let mut reads = BTreeMap::new();
    let mut writes = BTreeSet::new();
    let mut of_functions = BTreeSet::new();
    for statement in statements {
        match statement {
            Statement::Assign(_, value) | Statement::Show(value) => {
                reads.extend(value.names().filter(|name| !writes.contains(name)).map(|name| (name, false)));
            }
            Statement::Define(_, value) => of_functions.extend(value.names()),
            Statement::Delete(name) => {
                reads.insert(name, false);
            }
            Statement::Raise => {}
        }
        if let Statement::Assign(name, _) | Statement::Define(name, _) = statement {
            writes.insert(*name);
        }
    }
    let is_hidden = |name: &&str| writes.contains(name) || reads.contains_key(name);
    let (hidden_in_functions, of_functions): (BTreeSet<_>, BTreeSet<_>) = of_functions.into_iter().partition(is_hidden);
    reads.extend(of_functions.into_iter().map(|name| (name, true)));
    Mentions { reads, writes, hidden_in_functions }
}

impl Expression {
    fn code(&self) -> String {
        let terms = self.variables.iter().map(|name| (*name).to_owned());
        let terms = terms.chain(self.calls.iter().map(|name| format!("{name}()")));
        let terms = terms.zip(3..).map(|(term, factor)| format!(" + {factor} * {term}"));
        format!("({}{}) % {MODULUS}", self.constant, terms.collect::<String>())
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.variables.iter().chain(&self.calls).copied()
    }

    fn evaluate(&self, names: &Names, depth: usize) -> Result<u64, Failure> {
        if depth > MAX_DEPTH {
            return Err(Failure::Raised);
        }
        let mut sum = self.constant;
        for (name, factor) in self.names().zip(3..) {
            sum += factor
                * match names.get(name).ok_or(Failure::Raised)? {
                    Some(Value::Number(number)) => *number,
                    Some(Value::Function(body)) => body.evaluate(names, depth + 1)?,
                    None => return Err(Failure::Unknown),
                };
        }
        Ok(sum % MODULUS)
    }
}

/// Something that is done to a notebook. Numbers of cells count modulo the number of cells there are, and one more for the place
/// after the last.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Insert(usize, Vec<Statement>),
    Update(usize, Vec<Statement>),
    /// Makes the code one that does not parse.
    Break(usize),
    Delete(usize),
    Move(usize, usize),
    Run(Vec<usize>, bool),
    RunAll(bool),
    RunStale(bool),
    /// Lets what runs end, as many cells as this.
    Finish(usize),
    /// Interrupts what runs after this number of statements.
    Interrupt(usize),
    Stop,
    EndKernel,
}

fn expression(calls: usize) -> impl Strategy<Value = Expression> {
    let variables = prop::collection::vec(prop::sample::select(&VARIABLES[..]), 0..=2);
    let calls = prop::collection::vec(prop::sample::select(&FUNCTIONS[..]), 0..=calls);
    (0..MODULUS, variables, calls).prop_map(|(constant, variables, calls)| Expression { constant, variables, calls })
}

/// Makes a cell.
pub(crate) fn cell() -> impl Strategy<Value = Vec<Statement>> {
    let variable = || prop::sample::select(&VARIABLES[..]);
    let assign = (variable(), expression(0)).prop_map(|(name, value)| Statement::Assign(name, value));
    let call = (variable(), expression(1)).prop_map(|(name, value)| Statement::Assign(name, value));
    let define =
        (prop::sample::select(&FUNCTIONS[..]), expression(1)).prop_map(|(name, value)| Statement::Define(name, value));
    let show = expression(1).prop_map(Statement::Show);
    let several = prop::collection::vec(
        prop_oneof![8 => assign, 3 => call, 3 => define, 3 => show, 1 => Just(Statement::Raise)],
        1..=2,
    );
    let delete = variable().prop_map(|name| vec![Statement::Delete(name)]);
    prop_oneof![20 => several, 1 => delete]
}

/// Makes what is done to a notebook, from the first cell on.
pub(crate) fn program() -> impl Strategy<Value = Vec<Action>> {
    let any = 0..12_usize;
    let begin = prop::collection::vec(cell(), 2..8)
        .prop_map(|cells| cells.into_iter().enumerate().map(|(at, cell)| Action::Insert(at, cell)).collect::<Vec<_>>());
    let action = prop_oneof![
        4 => (any.clone(), cell()).prop_map(|(at, cell)| Action::Insert(at, cell)),
        6 => (any.clone(), cell()).prop_map(|(at, cell)| Action::Update(at, cell)),
        1 => any.clone().prop_map(Action::Break),
        3 => any.clone().prop_map(Action::Delete),
        4 => (any.clone(), any.clone()).prop_map(|(from, to)| Action::Move(from, to)),
        12 => (prop::collection::vec(any, 1..=2), prop::bool::weighted(0.7))
            .prop_map(|(cells, reactive)| Action::Run(cells, reactive)),
        2 => prop::bool::weighted(0.7).prop_map(Action::RunAll),
        2 => prop::bool::weighted(0.7).prop_map(Action::RunStale),
        20 => (1..8_usize).prop_map(Action::Finish),
        1 => (0..3_usize).prop_map(Action::Interrupt),
        1 => Just(Action::Stop),
        1 => Just(Action::EndKernel),
    ];
    (begin, prop::collection::vec(action, 20..60)).prop_map(|(begin, more)| begin.into_iter().chain(more).collect())
}
