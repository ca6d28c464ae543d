; Mirrors core/src/revenue.rs (distribute, earned_down). Integers without bound; per_share counts in 2^-64 atoms.
; Divisions are told by quotient and rest, see shares.smt2. `core/tests/proofs` evaluates the definitions against the code.
; "holds" expects unsat, "possible" expects sat.

(define-fun whole () Int 18446744073709551616) ; 2^64
(define-fun share_up ((amount Int) (bps Int)) Int
  (ite (= (mod (* amount bps) 10000) 0) (div (* amount bps) 10000) (+ (div (* amount bps) 10000) 1)))
(define-fun gross ((arrived Int) (delegated Int) (own Int)) Int
  (ite (= delegated 0) 0 (div (* arrived delegated) (+ own delegated))))
(define-fun net ((arrived Int) (delegated Int) (own Int) (bps Int)) Int
  (- (gross arrived delegated own) (share_up (gross arrived delegated own) bps)))
(define-fun rise ((net Int) (staying Int)) Int (div (* net whole) staying))
(define-fun earned_down ((rise Int) (shares Int)) Int (div (* rise shares) whole))

(declare-const arrived Int) (declare-const delegated Int) (declare-const own Int)
(assert (and (>= arrived 0) (>= delegated 0) (>= own 0) (> (+ own delegated) 0)))
(declare-const g Int) (declare-const r Int) ; g = gross
(assert (and (= (* arrived delegated) (+ (* g (+ own delegated)) r)) (>= r 0) (< r (+ own delegated))))

(echo "possible: revenue of which the delegators have a part")
(push) (assert (and (> g 0) (< g arrived))) (check-sat) (pop)

(echo "holds: the delegators' part is no more than what arrived")
(push)
(assert (<= (* arrived delegated) (* arrived (+ own delegated)))) ; own is not negative
(assert (not (and (>= g 0) (<= g arrived))))
(check-sat) (pop)

(declare-const n Int) (declare-const staying Int) ; net, and the shares among which it is divided
(assert (and (>= n 0) (> staying 0)))
(declare-const up Int) (declare-const t Int) ; up = the rise of the sum per share
(assert (and (= (* n whole) (+ (* up staying) t)) (>= t 0) (< t staying)))

(echo "holds: all shares together earn no more than was given to them, however they are held")
(push)
(declare-const s Int) (declare-const o Int) (assert (and (>= s 0) (>= o 0) (<= (+ s o) staying)))
(declare-const x Int) (declare-const y Int) ; what two holders (or two groups of them) earn
(declare-const i Int) (declare-const j Int)
(assert (and (= (* up s) (+ (* x whole) i)) (>= i 0) (< i whole) (= (* up o) (+ (* y whole) j)) (>= j 0) (< j whole)))
(assert (<= (+ (* up s) (* up o)) (* up staying))) ; s + o is not above staying
(assert (not (<= (+ x y) n)))
(check-sat) (pop)

(echo "holds: one share of all that stay loses less than one atom to rounding, whatever is divided")
(push)
(declare-const x Int) (declare-const i Int)
(assert (and (= (* up staying) (+ (* x whole) i)) (>= i 0) (< i whole)))
(assert (<= staying whole)) ; shares are u64
(assert (not (<= (- n x) 1)))
(check-sat) (pop)

(echo "holds: the sum per share of one rise times the shares that stay fits in u128")
(push)
(assert (< n whole))
(assert (not (< (* up staying) (* whole whole))))
(check-sat) (pop)
