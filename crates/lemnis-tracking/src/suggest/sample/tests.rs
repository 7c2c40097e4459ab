//! The search on functions whose best value is known, against random search; and its rules.

use super::super::trial::{Direction, tests::run};
use super::super::{text_of, trials};
use super::*;
use crate::{Run, RunStatus};

const SEEDS: u64 = 12;

fn objective(direction: Direction) -> Objective {
    Objective { metric: "score".to_owned(), direction }
}

/// Branin and Hoo's function; its least value is 0.397887.
fn branin(params: &Map<String, Value>) -> f64 {
    use std::f64::consts::PI;
    let (x, y) = (params["x"].as_f64().unwrap(), params["y"].as_f64().unwrap());
    let bend = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x.cos() + 10.0
}

/// A learning rate, a depth and an optimiser, of which one is right; the least value is 0.
fn mixed(params: &Map<String, Value>) -> f64 {
    let lr = params["lr"].as_f64().unwrap().log10();
    let depth = params["depth"].as_f64().unwrap();
    let opt = match params["opt"].as_str().unwrap() {
        "adam" => 0.0,
        "lion" => 0.5,
        _ => 1.0,
    };
    (lr + 2.5).powi(2) + ((depth - 7.0) / 3.0).powi(2) + opt
}

fn branin_space() -> Space {
    Space::from_texts(["x=-5..10", "y=0..15"]).unwrap()
}

fn mixed_space() -> Space {
    Space::from_texts(["lr=1e-5..1e-1:log", "depth=2..12:int", "opt=adam|sgd|lion|rmsprop"]).unwrap()
}

fn logged(place: usize, status: RunStatus, params: &Map<String, Value>, value: Option<f64>) -> Run {
    let params: Vec<(&str, String)> =
        params.iter().map(|(name, value)| (name.as_str(), text_of(value))).collect();
    run(place, status, &params, value)
}

/// The best value after `budget` runs, one after another; `startup` runs are quasi-random.
fn best(
    space: &Space,
    score: fn(&Map<String, Value>) -> f64,
    budget: usize,
    startup: usize,
    seed: u64,
) -> f64 {
    let objective = objective(Direction::Minimize);
    let mut runs = Vec::new();
    let mut best = f64::INFINITY;
    for place in 0..budget {
        let known = trials(space, &objective, &runs);
        let next = suggest(space, &objective, &known, 1, startup, seed).unwrap().remove(0);
        let value = score(&next.params);
        best = best.min(value);
        runs.push(logged(place, RunStatus::Finished, &next.params, Some(value)));
    }
    best
}

/// The best of `budget` uniform draws.
fn best_of_random(space: &Space, score: fn(&Map<String, Value>) -> f64, budget: usize, seed: u64) -> f64 {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let draw = |random: &mut Pcg64Mcg| -> Map<String, Value> {
        let place =
            |domain: &Domain, share: f64| domain.bounds().0 + (domain.bounds().1 - domain.bounds().0) * share;
        space
            .iter()
            .map(|(name, domain)| (name.to_owned(), domain.value(place(domain, random.random()))))
            .collect()
    };
    (0..budget).map(|_| score(&draw(&mut random))).fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// Median distance from the least value, of the search and of random search.
fn regrets(space: &Space, score: fn(&Map<String, Value>) -> f64, least: f64, budget: usize) -> (f64, f64) {
    let ours = (0..SEEDS).map(|seed| best(space, score, budget, 10, seed) - least).collect();
    let random = (0..SEEDS).map(|seed| best_of_random(space, score, budget, 1000 + seed) - least).collect();
    (median(ours), median(random))
}

#[test]
fn branin_is_searched_better_than_at_random() {
    let (ours, random) = regrets(&branin_space(), branin, 0.397_887, 60);
    println!("branin: {ours:.4} against {random:.4} at random");
    assert!(ours < random / 2.0, "{ours} against {random} at random");
}

#[test]
fn a_mixed_space_is_searched_better_than_at_random() {
    let (ours, random) = regrets(&mixed_space(), mixed, 0.0, 60);
    println!("mixed: {ours:.4} against {random:.4} at random");
    assert!(ours < random / 2.0, "{ours} against {random} at random");
}

#[test]
fn a_seed_decides_all_of_the_answer() {
    let space = mixed_space();
    let objective = objective(Direction::Minimize);
    let runs: Vec<Run> = (0..15)
        .map(|place| {
            let known = trials(&space, &objective, &[] as &[Run]);
            let point = suggest(&space, &objective, &known, 20, 100, 3).unwrap().remove(place);
            let value = mixed(&point.params);
            logged(place, RunStatus::Finished, &point.params, Some(value))
        })
        .collect();
    let known = trials(&space, &objective, &runs);
    let ask = |seed| suggest(&space, &objective, &known, 4, 10, seed).unwrap();
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1), ask(2));
    assert!(ask(1).iter().all(|one| one.method == Method::Tpe));
}

#[test]
fn workers_side_by_side_get_different_points() {
    let space = branin_space();
    let objective = objective(Direction::Minimize);
    // Twelve runs ended; then five workers ask, each after the one before it has begun its run.
    let mut runs: Vec<Run> = suggest(&space, &objective, &Trials::default(), 12, 10, 5)
        .unwrap()
        .iter()
        .enumerate()
        .map(|(place, one)| logged(place, RunStatus::Finished, &one.params, Some(branin(&one.params))))
        .collect();
    let mut points = Vec::new();
    for worker in 0..5 {
        let known = trials(&space, &objective, &runs);
        let next = suggest(&space, &objective, &known, 1, 10, 5).unwrap().remove(0);
        assert_eq!(next.method, Method::Tpe);
        runs.push(logged(100 + worker, RunStatus::Running, &next.params, None));
        points.push(next.params);
    }
    for (place, point) in points.iter().enumerate() {
        assert!(!points[..place].contains(point), "{points:?}");
    }
}

#[test]
fn the_first_points_fill_the_space_evenly_and_small_spaces_whole() {
    let objective = objective(Direction::Maximize);
    let none = Trials::default();
    let space = Space::from_texts(["x=0..1"]).unwrap();
    let points = suggest(&space, &objective, &none, 8, 10, 11).unwrap();
    let mut eighths: Vec<usize> =
        points.iter().map(|one| (one.params["x"].as_f64().unwrap() * 8.0) as usize).collect();
    eighths.sort_unstable();
    eighths.dedup();
    // Shifted, two neighbours may fall into one eighth.
    assert!(eighths.len() >= 6, "{points:?}");

    let small = Space::from_texts(["a=1|2|3", "b=0..1:int"]).unwrap();
    let points = suggest(&small, &objective, &none, 6, 10, 11).unwrap();
    for (place, point) in points.iter().enumerate() {
        assert!(points[..place].iter().all(|other| other.params != point.params), "{points:?}");
    }
}

#[test]
fn failures_are_bad_points_and_only_failures_are_no_reason_to_learn() {
    let space = Space::from_texts(["x=0..1"]).unwrap();
    let objective = objective(Direction::Maximize);
    let at = |place: usize, x: f64, status, value| run(place, status, &[("x", x.to_string())], value);
    let failed: Vec<Run> =
        (0..20).map(|place| at(place, 0.04 * place as f64, RunStatus::Failed, None)).collect();
    let known = trials(&space, &objective, &failed);
    assert_eq!(suggest(&space, &objective, &known, 1, 10, 1).unwrap()[0].method, Method::QuasiRandom);

    // The upper half fails; the lower half works, and more is better: nothing above 0.6 is worth a try.
    let runs: Vec<Run> = (0..20)
        .map(|place| {
            let x = place as f64 / 20.0;
            if x < 0.5 {
                at(place, x, RunStatus::Finished, Some(x))
            } else {
                at(place, x, RunStatus::Failed, None)
            }
        })
        .collect();
    let known = trials(&space, &objective, &runs);
    let mean: f64 = (0..20)
        .map(|seed| {
            suggest(&space, &objective, &known, 1, 10, seed).unwrap()[0].params["x"].as_f64().unwrap()
        })
        .sum::<f64>()
        / 20.0;
    assert!((0.3..0.6).contains(&mean), "{mean}");
}
