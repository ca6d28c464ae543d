; Mirrors core/src/rounding.rs (share_up, share_down), core/src/stream.rs (split) and
; core/src/slash.rs (slash_for, at_most, out_of). Integers without bound.
;
; The product of an amount and basis points is not linear; where a claim needs only that it lies between nothing and the
; amount x 10,000, it is replaced by any such number: what holds for all of them holds for the product.
; `core/tests/proofs` evaluates the definitions against the code. "holds" expects unsat, "possible" expects sat.

(define-fun minimum ((x Int) (y Int)) Int (ite (<= x y) x y))
(define-fun tenthousandth_up ((x Int)) Int (ite (= (mod x 10000) 0) (div x 10000) (+ (div x 10000) 1)))
(define-fun share_up ((amount Int) (bps Int)) Int (tenthousandth_up (* amount bps)))
(define-fun share_down ((amount Int) (bps Int)) Int (div (* amount bps) 10000))
(define-fun victim ((total Int) (price Int) (charged Int)) Int (minimum (minimum total (* 3 price)) charged))
(define-fun no_start ((one_per_cent Int) (bond Int) (reservation Int)) Int (minimum (+ one_per_cent bond) reservation))
(define-fun victim_of_left ((victim Int) (left Int)) Int (minimum victim left))
(define-fun insurance_of_left ((victim Int) (insurance Int) (left Int)) Int
  (minimum insurance (- left (victim_of_left victim left))))
(define-fun victim_out_of ((victim Int) (operator Int)) Int (minimum victim operator))
(define-fun insurance_out_of ((victim Int) (insurance Int) (operator Int)) Int
  (+ insurance (- victim (victim_out_of victim operator))))

(declare-const gross Int) (assert (>= gross 0))
(declare-const x Int) (assert (and (>= x 0) (<= x (* 10000 gross)))) ; gross x basis points

(echo "possible: a fee that is neither nothing nor all")
(push) (assert (and (> (tenthousandth_up x) 0) (< (tenthousandth_up x) gross))) (check-sat) (pop)

(echo "holds: a fee is between nothing and all of it, so net and fee are parts of gross")
(push) (assert (not (and (>= (tenthousandth_up x) 0) (<= (tenthousandth_up x) gross)))) (check-sat) (pop)

(echo "holds: an atom more of gross is an atom more of either net or fee, and never less of the other")
(push)
(declare-const bps Int) (assert (and (>= bps 0) (<= bps 10000)))
(define-fun rise () Int (- (tenthousandth_up (+ x bps)) (tenthousandth_up x))) ; (gross + 1) x bps = x + bps
(assert (not (or (= rise 0) (= rise 1))))
(check-sat) (pop)

(echo "holds: a part rounded down is never more than the whole")
(push) (assert (not (and (>= (div x 10000) 0) (<= (div x 10000) gross)))) (check-sat) (pop)

(echo "holds: a slash is a part of its reservation")
(push)
(declare-const bond Int) (assert (>= bond 0))
(assert (not (and (<= (no_start (div x 10000) bond gross) gross) (>= (no_start (div x 10000) bond gross) 0))))
(check-sat) (pop)

(echo "holds: the victim's part is neither above the slash nor above what it was charged nor above three hours")
(push)
(declare-const total Int) (declare-const price Int) (declare-const charged Int)
(assert (and (>= total 0) (>= price 0) (>= charged 0)))
(define-fun v () Int (victim total price charged))
(assert (not (and (>= v 0) (<= v total) (<= v charged) (<= v (* 3 price)) (= (+ v (- total v)) total))))
(check-sat) (pop)

(echo "holds: what credits left of the reservation is never exceeded, and the victim comes first")
(push)
(declare-const v Int) (declare-const i Int) (declare-const left Int)
(assert (and (>= v 0) (>= i 0) (>= left 0)))
(define-fun v1 () Int (victim_of_left v left))
(define-fun i1 () Int (insurance_of_left v i left))
(assert (not (and (= (+ v1 i1) (minimum left (+ v i))) (= v1 (minimum v left)) (<= i1 i) (>= i1 0))))
(check-sat) (pop)

(echo "holds: no victim is paid out of delegators' stake, and no atom of the slash is lost by that")
(push)
(declare-const v Int) (declare-const i Int) (declare-const operator Int)
(assert (and (>= v 0) (>= i 0) (>= operator 0)))
(define-fun v1 () Int (victim_out_of v operator))
(define-fun i1 () Int (insurance_out_of v i operator))
(assert (not (and (<= v1 operator) (<= v1 v) (= (+ v1 i1) (+ v i)) (>= i1 i))))
(check-sat) (pop)
