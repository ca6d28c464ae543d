; Mirrors core/src/rounding.rs: mul_div_down, mul_div_up. Integers without bound; the overflow into u64 is refused by the code,
; so that a result that is returned is this one. `core/tests/proofs` evaluates the definitions below against the code.
; "holds" expects unsat (no counterexample), "possible" expects sat (what is assumed is not contradictory).

(define-fun mul_div_down ((a Int) (b Int) (d Int)) Int (div (* a b) d))
(define-fun mul_div_up ((a Int) (b Int) (d Int)) Int
  (ite (= (mod (* a b) d) 0) (div (* a b) d) (+ (div (* a b) d) 1)))

(declare-const a Int) (declare-const b Int) (declare-const d Int)
(assert (and (>= a 0) (>= b 0) (> d 0)))

(echo "possible: numbers as assumed, of which the division leaves a rest")
(push) (assert (not (= (mul_div_down a b d) (mul_div_up a b d)))) (check-sat) (pop)

(echo "holds: rounded down is never above, and less than one below")
(push)
(declare-const q Int) (assert (= q (mul_div_down a b d)))
(assert (not (and (<= (* q d) (* a b)) (< (* a b) (+ (* q d) d)))))
(check-sat) (pop)

(echo "holds: rounded up is never below, and less than one above")
(push)
(declare-const q Int) (assert (= q (mul_div_up a b d)))
(assert (not (and (>= (* q d) (* a b)) (> (+ (* a b) d) (* q d)))))
(check-sat) (pop)

(echo "holds: the two are apart by one at most, and equal where nothing is left")
(push)
(assert (not (and (<= (mul_div_down a b d) (mul_div_up a b d)) (<= (mul_div_up a b d) (+ (mul_div_down a b d) 1))
                  (= (= (mul_div_down a b d) (mul_div_up a b d)) (= (mod (* a b) d) 0)))))
(check-sat) (pop)

(echo "holds: a product of two u64 fits in u128, and so does its rounding up")
(push)
(define-fun u64max () Int 18446744073709551615)
(define-fun u128max () Int 340282366920938463463374607431768211455)
(assert (and (<= a u64max) (<= b u64max)))
(assert (not (<= (+ (* u64max u64max) 1) u128max)))
(check-sat) (pop)
