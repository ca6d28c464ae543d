; Mirrors core/src/rounding.rs (accrued_down, cost_up, cost_down, runway_down) and core/src/stream.rs (billable_ms, accrued).
; Integers without bound. `core/tests/proofs` evaluates the definitions against the code.
; "holds" expects unsat, "possible" expects sat.

(define-fun minimum ((x Int) (y Int)) Int (ite (<= x y) x y))
(define-fun maximum ((x Int) (y Int)) Int (ite (>= x y) x y))
(define-fun accrued_down ((price Int) (ms Int)) Int (div (* price ms) 3600000))
(define-fun accrued ((price Int) (ms Int) (funds Int)) Int (minimum (accrued_down price ms) funds))
(define-fun cost_up ((price Int) (s Int)) Int
  (ite (= (mod (* price s) 3600) 0) (div (* price s) 3600) (+ (div (* price s) 3600) 1)))
(define-fun cost_down ((price Int) (s Int)) Int (div (* price s) 3600))
(define-fun runway_down ((funds Int) (price Int)) Int (div (* funds 3600) price))
(define-fun clamp ((x Int) (low Int) (high Int)) Int (maximum low (minimum x high)))
(define-fun billed ((slots Int) (made Int) (seconds Int)) Int
  (minimum (clamp made (* seconds 1000) (+ 999 (* seconds 1000))) (* slots 1000)))
(define-fun billable_ms ((slots Int) (slot_ms Int) (seconds Int)) Int (billed slots (* slots slot_ms) seconds))

(declare-const price Int) (assert (> price 0))
(declare-const ms Int) (assert (>= ms 0))
(declare-const s Int) (assert (>= s 0))
(declare-const funds Int) (assert (>= funds 0))

(echo "possible: a price and a time that owe something")
(push) (assert (> (accrued price ms funds) 0)) (check-sat) (pop)

(echo "holds: what is accrued is never above price x time, and less than an atom below it")
(push)
(assert (not (and (<= (* 3600000 (accrued_down price ms)) (* price ms))
                  (< (* price ms) (+ (* 3600000 (accrued_down price ms)) 3600000)))))
(check-sat) (pop)

(echo "holds: what is accrued never falls with time")
(push)
(declare-const later Int) (assert (>= later 0))
(declare-const more Int) (assert (= more (* price later)))
(assert (>= more 0)) ; a product of two that are not negative
(assert (not (<= (div (* price ms) 3600000) (div (+ (* price ms) more) 3600000))))
(check-sat) (pop)

(echo "holds: two parts of a time accrue no more than the whole of it, and an atom less at most")
(push)
(declare-const x Int) (declare-const y Int) (assert (and (>= x 0) (>= y 0))) ; price x ms of each part
(define-fun parts () Int (+ (div x 3600000) (div y 3600000)))
(define-fun whole () Int (div (+ x y) 3600000))
(assert (not (and (<= parts whole) (<= whole (+ parts 1)))))
(check-sat) (pop)

(echo "holds: nothing is accrued beyond the funds")
(push) (assert (not (<= (accrued price ms funds) funds))) (check-sat) (pop)

(echo "holds: billed is what the clock says or less than a second more, unless there were fewer slots than seconds, each a second")
(push)
(declare-const slots Int) (assert (>= slots 0))
(declare-const made Int) (assert (>= made 0)) ; slots of any length, so any number
(assert (not (and (<= (billed slots made s) (* slots 1000)) (< (billed slots made s) (+ 1000 (* 1000 s)))
                  (=> (>= slots s) (>= (billed slots made s) (* 1000 s))))))
(check-sat) (pop)

(echo "holds: (lemma) a shorter time is not a larger product with a price")
(push) (assert (<= ms (* 1000 s))) (assert (not (<= (* price ms) (* 1000 (* price s))))) (check-sat) (pop)

(echo "holds: what is reserved for a time covers all that can be accrued in it")
(push)
(assert (<= ms (* 1000 s)))
(declare-const x Int) (assert (= x (* price ms)))
(declare-const y Int) (assert (= y (* price s)))
(assert (<= x (* 1000 y))) ; the lemma above
(assert (not (<= (div x 3600000) (ite (= (mod y 3600) 0) (div y 3600) (+ (div y 3600) 1)))))
(check-sat) (pop)

(echo "holds: a whole number of seconds accrues exactly what it costs, rounded down")
(push) (assert (not (= (accrued_down price (* 1000 s)) (cost_down price s)))) (check-sat) (pop)

(echo "holds: the runway never costs more than the funds")
(push)
(declare-const q Int) (declare-const r Int) ; q = runway_down(funds, price)
(assert (and (= (* funds 3600) (+ (* q price) r)) (>= r 0) (< r price)))
(declare-const run Int) (assert (= run (* q price)))
(assert (not (<= (div run 3600) funds)))
(check-sat) (pop)

(echo "holds: a second more than the runway costs more than the funds")
(push)
(declare-const q Int) (declare-const r Int)
(assert (and (= (* funds 3600) (+ (* q price) r)) (>= r 0) (< r price)))
(declare-const run Int) (assert (= run (* q price)))
(define-fun next () Int (+ run price)) ; price x (q + 1)
(assert (not (> (ite (= (mod next 3600) 0) (div next 3600) (+ (div next 3600) 1)) funds)))
(check-sat) (pop)

(echo "holds: (lemma) a whole number below another is less by one at least, times a price")
(push)
(declare-const q Int) (assert (< q s))
(assert (not (<= (+ (* q price) price) (* price s))))
(check-sat) (pop)

(echo "holds: what is reserved for a time lasts for it")
(push)
(declare-const need Int) (assert (= need (* price s)))
(define-fun cap () Int (ite (= (mod need 3600) 0) (div need 3600) (+ (div need 3600) 1)))
(declare-const q Int) (declare-const r Int) ; q = runway_down(cap, price)
(assert (and (= (* cap 3600) (+ (* q price) r)) (>= r 0) (< r price)))
(assert (=> (< q s) (<= (+ (* q price) price) need))) ; the lemma above
(assert (not (>= q s)))
(check-sat) (pop)
