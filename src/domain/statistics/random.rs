//! Pseudorandom numbers that are the same for the same seed on every machine and in every version. Not for
//! cryptography.

/// Pseudorandom number generator (splitmix64: Steele, Lea, and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Creates a generator with this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// Returns a uniformly distributed 64-bit number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// Returns a uniform number in [0, 1).
    pub fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// Returns a uniform index into a list of this length; 0 if it is empty.
    pub fn index_below(&mut self, length: usize) -> usize {
        // Take the high half of the product, which is uniform up to 64-bit precision and needs no division.
        ((u128::from(self.next_u64()) * length as u128) >> 64) as usize
    }
    /// Returns a standard normal number (Box and Muller 1958).
    pub fn next_normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next_unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.next_unit()).cos()
    }
    /// Shuffles a list uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index_below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_matches_published_values() {
        // The first outputs of the reference implementation for the seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn indices_are_uniform_and_normal_values_are_normal() {
        let mut random = Random::new(1);
        let mut counts = [0_u32; 7];
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..70_000 {
            counts[random.index_below(7)] += 1;
            let x = random.next_normal();
            (sum, squares) = (sum + x, squares + x * x);
        }
        assert!(
            counts.iter().all(|&n| n.abs_diff(10_000) < 400),
            "{counts:?}"
        );
        assert!((sum / 7e4_f64).abs() < 0.02);
        assert!((squares / 7e4_f64 - 1.0).abs() < 0.02);
        assert_eq!(random.index_below(0), 0);
        let mut order: Vec<u32> = (0..20).collect();
        random.shuffle(&mut order);
        assert_ne!(order, (0..20).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }
}
