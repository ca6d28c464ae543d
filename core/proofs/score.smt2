; Mirrors core/src/score.rs (score).
; Integers without bound. `core/tests/proofs` evaluates the definitions against the code.
; "holds" expects unsat, "possible" expects sat.

(define-fun by_price ((weight Int) (price Int) (max Int)) Int (div (* (- max price) (* weight 10000)) max))

(declare-const max Int) (declare-const price Int) (declare-const weight Int)
(assert (and (> max 0) (> price 0) (<= price max) (>= weight 0) (<= weight 10000)))
(declare-const q Int) (declare-const r Int) ; q = by_price
(declare-const full Int) (assert (= full (* weight 10000)))
(assert (and (= (* (- max price) full) (+ (* q max) r)) (>= r 0) (< r max)))

(echo "possible: a price that scores")
(push) (assert (> q 0)) (check-sat) (pop)

(echo "holds: the price scores between nothing and its weight")
(push)
(assert (<= (* (- max price) full) (* max full))) (assert (<= 0 (* (- max price) full)))
(assert (not (and (>= q 0) (<= q full))))
(check-sat) (pop)

(echo "holds: a lower price never scores less")
(push)
(declare-const lower Int) (assert (and (> lower 0) (<= lower price)))
(declare-const p Int) (declare-const t Int) ; p = by_price of the lower one
(assert (and (= (* (- max lower) full) (+ (* p max) t)) (>= t 0) (< t max)))
(assert (>= (* (- max lower) full) (* (- max price) full))) ; full is not negative
(assert (not (>= p q)))
(check-sat) (pop)

(echo "holds: with weights that add up to the whole, a score is at most 10^8")
(push)
(declare-const wr Int) (declare-const wu Int) (declare-const ws Int)
(assert (and (>= wr 0) (>= wu 0) (>= ws 0) (= (+ weight wr wu ws) 10000)))
(declare-const a Int) (declare-const b Int) (declare-const c Int) ; weight x component, each at most weight x 10,000
(assert (and (<= 0 a (* wr 10000)) (<= 0 b (* wu 10000)) (<= 0 c (* ws 10000)) (<= 0 q full)))
(assert (not (<= 0 (+ q a b c) 100000000)))
(check-sat) (pop)
