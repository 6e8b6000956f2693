//! Medians, and ratios round by round.

/// The median of `figures`.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The ratio of two subjects, round by round: its median, least and greatest.
pub fn ratio(of: &[f64], to: &[f64]) -> (f64, f64, f64) {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(a, b)| a / b).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = ratios.iter().copied().fold(0.0, f64::max);
    (median(&ratios), least, greatest)
}
