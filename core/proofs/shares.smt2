; Mirrors core/src/delegation.rs: SharePool (worth_down, cost_up, join, leave, lose) and Stake (withdraw, withdraw_delegated,
; claim, pay_claim, slash). Integers without bound. A pool of A assets and S shares is sound where 0 <= A <= S.
;
; A division is told by its quotient and rest (n = q x d + r, 0 <= r < d), so that the solver multiplies instead of dividing;
; the quotient of such a pair is the one that `div` gives. `core/tests/proofs` evaluates the definitions against the code.
; "holds" expects unsat, "possible" expects sat.

(define-fun minimum ((x Int) (y Int)) Int (ite (<= x y) x y))
(define-fun monus ((x Int) (y Int)) Int (ite (<= x y) 0 (- x y)))
(define-fun worth_down ((shares Int) (assets Int) (all Int)) Int
  (ite (or (= assets all) (= all 0)) (minimum shares assets) (div (* shares assets) all)))
(define-fun cost_up ((amount Int) (assets Int) (all Int)) Int
  (ite (= assets all) amount
  (ite (= assets 0) all
  (ite (= (mod (* amount all) assets) 0) (div (* amount all) assets) (+ (div (* amount all) assets) 1)))))
(define-fun issued ((amount Int) (assets Int) (all Int)) Int
  (ite (= assets all) amount (div (* amount all) assets)))
(define-fun can_leave ((own Int) (exit Int) (reserved Int)) Int (monus (+ own exit) reserved))
(define-fun can_leave_delegated ((own Int) (exit Int) (claims Int) (delegated Int) (reserved Int)) Int
  (monus (+ own exit claims delegated) (+ reserved claims)))
(define-fun operators_part_down ((reservation Int) (claimed Int) (own Int) (exit Int) (whole Int)) Int
  (ite (= whole 0) 0
  (minimum (minimum (monus (div (* (+ reservation claimed) (+ own exit claimed)) whole) claimed) (+ own exit)) reservation)))
(define-fun of_own ((amount Int) (own Int)) Int (minimum amount own))
(define-fun of_exit ((amount Int) (own Int) (exit Int)) Int (minimum (monus amount own) exit))
(define-fun of_claims ((amount Int) (own Int) (exit Int) (claims Int)) Int (minimum (monus amount (+ own exit)) claims))
(define-fun of_delegated ((amount Int) (own Int) (exit Int) (claims Int)) Int (monus amount (+ own exit claims)))

(declare-const A Int) (declare-const S Int)
(assert (and (>= A 0) (<= A S) (> S 0)))
(declare-const n Int) (assert (> n 0)) ; an amount that joins, or shares that leave
(declare-const q Int) (declare-const r Int) ; a quotient and its rest

(echo "possible: a pool whose shares are worth less than an atom, and somebody who joins it")
(push) (assert (and (> A 0) (< A S) (= (* n S) (+ (* q A) r)) (>= r 0) (< r A))) (check-sat) (pop)

(echo "holds: who joins gets a share for an atom at least, so a share stays worth an atom at most")
(push)
(assert (and (> A 0) (< A S) (= (* n S) (+ (* q A) r)) (>= r 0) (< r A))) ; q = issued
(assert (not (and (>= q n) (<= (+ A n) (+ S q)))))
(check-sat) (pop)

(echo "holds: who joins takes nothing from who was there")
(push)
(assert (and (> A 0) (< A S) (= (* n S) (+ (* q A) r)) (>= r 0) (< r A)))
(assert (not (>= (* (+ A n) S) (* A (+ S q))))) ; a share is worth no less than before
(check-sat) (pop)

(echo "holds: who joins and leaves at once gets no more than it brought")
(push)
(assert (and (> A 0) (< A S) (= (* n S) (+ (* q A) r)) (>= r 0) (< r A))) ; q = issued
(declare-const w Int) (declare-const t Int)
(assert (and (= (* q (+ A n)) (+ (* w (+ S q)) t)) (>= t 0) (< t (+ S q)))) ; w = what it is paid
(assert (<= (* q A) (* n S))) ; a rest is not negative
(assert (not (<= w n)))
(check-sat) (pop)

(echo "holds: shares are worth no more atoms than there are shares, and no more than there is")
(push)
(assert (and (<= n S) (= (* n A) (+ (* q S) r)) (>= r 0) (< r S))) ; q = worth
(assert (not (and (<= q A) (<= q n))))
(check-sat) (pop)

(echo "holds: who leaves takes nothing from who stays")
(push)
(assert (and (<= n S) (= (* n A) (+ (* q S) r)) (>= r 0) (< r S)))
(assert (not (>= (* (- A q) S) (* A (- S n)))))
(check-sat) (pop)

(echo "holds: after somebody left, a share is still worth an atom at most")
(push)
(assert (and (<= n S) (= (* n A) (+ (* q S) r)) (>= r 0) (< r S)))
(declare-const stay Int) (assert (= stay (- S n)))
(assert (<= (* stay A) (* stay S))) ; A <= S
(assert (not (<= (- A q) stay)))
(check-sat) (pop)

(echo "holds: all shares together are worth no more than there is, however they are held")
(push)
(declare-const m Int) (assert (and (>= m 0) (= (+ n m) S)))
(declare-const p Int) (declare-const t Int)
(assert (and (= (* n A) (+ (* q S) r)) (>= r 0) (< r S) (= (* m A) (+ (* p S) t)) (>= t 0) (< t S)))
(assert (not (<= (+ p q) A)))
(check-sat) (pop)

(echo "holds: who takes less than its shares are worth pays with shares for all of it, and with no more than it has")
(push)
(declare-const most Int) (assert (and (>= most 0) (> A 0) (<= n S)))
(assert (and (= (* n A) (+ (* q S) r)) (>= r 0) (< r S) (< most q))) ; q = worth, more than it may take
(declare-const c Int) (declare-const t Int)
(assert (and (= (* most S) (- (* c A) t)) (>= t 0) (< t A))) ; c = cost_up(most)
(assert (<= (* most S) (* q S))) (assert (<= (* q S) (* n A)))
(assert (not (and (<= c n) (>= (* c A) (* most S)))))
(check-sat) (pop)

(echo "holds: a pool that loses stays sound, and loses no more than it has")
(push)
(define-fun lost () Int (minimum n A))
(assert (not (and (>= (- A lost) 0) (<= (- A lost) S) (= (+ lost (monus n A)) n))))
(check-sat) (pop)

; --- the stake of a bond ---------------------------------------------------------------------------------------------
; What is reserved and what is claimed are covered together: claims leave whatever else is reserved.
(declare-const own Int) (declare-const exit Int) (declare-const claims Int) (declare-const delegated Int)
(declare-const reserved Int)
(define-fun whole () Int (+ own exit claims delegated))
(assert (and (>= own 0) (>= exit 0) (>= claims 0) (>= delegated 0) (>= reserved 0) (<= (+ reserved claims) whole)))

(echo "possible: an operator that leaves while something is reserved and claimed")
(push)
(assert (and (> reserved 0) (> claims 0) (> (minimum exit (can_leave own exit reserved)) 0)))
(check-sat) (pop)

(echo "holds: the operator's stake never leaves past what is reserved or claimed, delegators or not")
(push)
(declare-const out Int) (assert (and (>= out 0) (<= out exit) (<= out (can_leave own exit reserved))))
(assert (not (and (<= (+ reserved claims) (- whole out)) (or (= out 0) (<= reserved (- (+ own exit) out))))))
(check-sat) (pop)

(echo "holds: delegators' stake never leaves past what is reserved or claimed")
(push)
(declare-const out Int)
(assert (and (>= out 0) (<= out delegated) (<= out (can_leave_delegated own exit claims delegated reserved))))
(assert (not (<= (+ reserved claims) (- whole out))))
(check-sat) (pop)

(echo "holds: all that is claimed out of one reservation, in however many parts, is the operator's part of it at most")
(push)
; Before anything was claimed the part was p of one; then c of it was claimed, and q is what the formula gives now.
(declare-const one Int) (declare-const p Int) (declare-const r1 Int) (declare-const c Int)
(declare-const again Int) (declare-const r2 Int)
(assert (and (> whole 0) (>= one 0) (<= one reserved) (>= c 0) (<= c one) (<= c (+ own exit))))
(assert (and (= (* one (+ own exit)) (+ (* p whole) r1)) (>= r1 0) (< r1 whole) (<= c p)))
(assert (and (= (* (+ (- one c) c) (+ (- (+ own exit) c) c)) (+ (* again whole) r2)) (>= r2 0) (< r2 whole)))
(assert (not (= (+ c (monus again c)) p)))
(check-sat) (pop)

(echo "holds: a claim inside the operator's part of a reservation leaves both covered, and takes nothing of the delegators")
(push)
(declare-const claim Int) (assert (and (>= claim 0) (<= claim reserved) (<= claim (+ own exit))))
(define-fun o () Int (of_own claim own))
(define-fun e () Int (of_exit claim own exit))
(assert (not (and (= (+ o e) claim) (<= o own) (<= e exit)
                  (<= (+ (- reserved claim) (+ claims claim)) (+ (- own o) (- exit e) (+ claims claim) delegated)))))
(check-sat) (pop)

(echo "holds: a claim that is paid leaves what is reserved covered")
(push)
(declare-const paid Int) (assert (and (>= paid 0) (<= paid claims)))
(assert (not (<= (+ reserved (- claims paid)) (- whole paid))))
(check-sat) (pop)

(echo "holds: a slash inside what is reserved is borne whole, by the operator, claims and delegators in this order, and what is reserved or claimed stays covered")
(push)
(declare-const slash Int) (assert (and (>= slash 0) (<= slash reserved)))
(define-fun o () Int (of_own slash own))
(define-fun e () Int (of_exit slash own exit))
(define-fun c () Int (of_claims slash own exit claims))
(define-fun d () Int (of_delegated slash own exit claims))
(assert (not (and (= (+ o e c d) slash) (<= o own) (<= e exit) (<= c claims) (<= d delegated)
                  (or (= c 0) (= (+ o e) (+ own exit)))
                  (or (= d 0) (= (+ o e c) (+ own exit claims)))
                  (<= (+ (- reserved slash) (- claims c)) (- whole slash)))))
(check-sat) (pop)
