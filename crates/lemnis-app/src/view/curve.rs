//! Histories thinned out for plots.

use lemnis_tracking::Metric;

/// At most `most` of `points` (at least 4), which are in the order of a plot: of as many equal parts as fit, the smallest
/// and the largest value each, and the first and the last point. So no peak is lost, however long the history is.
pub fn thin(points: Vec<Metric>, most: usize) -> Vec<Metric> {
    let most = most.max(4);
    if points.len() <= most {
        return points;
    }
    let parts = (most - 2) / 2;
    let inner = points.len() - 2;
    let mut kept = vec![0];
    for part in 0..parts {
        let (from, to) = (1 + part * inner / parts, 1 + (part + 1) * inner / parts);
        let comparable = (from..to).filter(|place| !points[*place].value.is_nan());
        let by = |a: &usize, b: &usize| points[*a].value.total_cmp(&points[*b].value);
        let (low, high) = (comparable.clone().min_by(by), comparable.max_by(by));
        match (low, high) {
            (Some(low), Some(high)) if low != high => kept.extend([low.min(high), low.max(high)]),
            (Some(only), _) => kept.push(only),
            // Nothing but NaN: the gap stays a gap.
            _ => kept.push(from),
        }
    }
    kept.push(points.len() - 1);
    let mut next = kept.into_iter().peekable();
    let keep = |(place, point): (usize, Metric)| next.next_if_eq(&place).map(|_| point);
    points.into_iter().enumerate().filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::thin;
    use lemnis_tracking::Metric;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Metric> {
        (0..).zip(values).map(|(step, value)| Metric::new("m", value, step).at_step(step)).collect()
    }

    #[test]
    fn peaks_and_ends_survive() {
        let mut values: Vec<f64> = (0..10_000).map(|step| f64::from(step % 7)).collect();
        values[4_321] = 99.0;
        values[8_765] = -99.0;
        let kept = thin(points(values), 100);
        assert!(kept.len() <= 100, "{}", kept.len());
        let has = |step| kept.iter().any(|point| point.step == step);
        assert!(has(0) && has(9_999) && has(4_321) && has(8_765));
        assert!(kept.windows(2).all(|pair| pair[0].step < pair[1].step));
    }

    #[test]
    fn few_points_stay_and_gaps_stay_gaps() {
        assert_eq!(thin(points([1.0, 2.0, 3.0]), 10).len(), 3);
        let kept = thin(points((0..100).map(|step| if step < 50 { f64::NAN } else { 1.0 })), 10);
        assert!(kept.len() <= 10 && kept.iter().filter(|point| point.value.is_nan()).count() > 1);
    }
}
