; Mirrors core/src/purse.rs. One step of each kind from any purse that is sound leads to a sound one: so does every sequence
; of any length, with amounts of any size. Sound: nothing is negative, reserved + fees are not above the balance. Fees stand here for
; all that is owed to others, forfeits too: what is forfeited is a payment of nothing with a fee.
; Integers without bound: a result above u64 is refused by the code and changes nothing.
; `core/tests/proofs` evaluates the definitions against the code. "holds" expects unsat, "possible" expects sat.

(define-fun free ((balance Int) (reserved Int) (fees Int)) Int (- balance (+ reserved fees)))
(define-fun sound ((balance Int) (reserved Int) (fees Int)) Bool
  (and (>= reserved 0) (>= fees 0) (>= (free balance reserved fees) 0)))
(define-fun can_withdraw ((balance Int) (reserved Int) (fees Int) (amount Int)) Bool
  (and (> amount 0) (>= (free balance reserved fees) amount)))
(define-fun can_release ((reserved Int) (amount Int)) Bool (and (>= amount 0) (<= amount reserved)))
(define-fun can_pay ((reserved Int) (net Int) (fee Int)) Bool
  (and (>= net 0) (>= fee 0) (<= (+ net fee) reserved)))

(declare-const b Int) (declare-const r Int) (declare-const f Int)
(assert (sound b r f))
(declare-const n Int) (declare-const m Int)

(echo "possible: a purse from which something is paid, and a fee kept")
(push) (assert (and (can_pay r n m) (> n 0) (> m 0))) (check-sat) (pop)

(echo "holds: a deposit keeps it sound and is free")
(push) (assert (> n 0))
(assert (not (and (sound (+ b n) r f) (= (free (+ b n) r f) (+ n (free b r f)))))) (check-sat) (pop)

(echo "holds: a withdrawal keeps it sound and takes from the free balance alone")
(push) (assert (can_withdraw b r f n))
(assert (not (and (sound (- b n) r f) (= (free (- b n) r f) (- (free b r f) n))))) (check-sat) (pop)

(echo "holds: a reservation keeps it sound and moves nothing")
(push) (assert (can_withdraw b r f n))
(assert (not (and (sound b (+ r n) f) (= (+ (free b (+ r n) f) (+ r n) f) b)))) (check-sat) (pop)

(echo "holds: a release keeps it sound and moves nothing")
(push) (assert (can_release r n))
(assert (not (and (sound b (- r n) f) (= (free b (- r n) f) (+ n (free b r f)))))) (check-sat) (pop)

(echo "holds: a payment keeps it sound, leaves the free balance alone, and takes what it pays and no more")
(push) (assert (can_pay r n m))
(assert (not (and (sound (- b n) (- r (+ n m)) (+ f m)) (= (free (- b n) (- r (+ n m)) (+ f m)) (free b r f)))))
(check-sat) (pop)

(echo "holds: a sweep keeps it sound, leaves the free balance alone, and is never above the balance")
(push) (assert (not (and (sound (- b f) r 0) (= (free (- b f) r 0) (free b r f)) (<= f b)))) (check-sat) (pop)

(echo "holds: what is refused for want of reserve would have broken it")
(push) (assert (and (>= n 0) (>= m 0) (not (can_pay r n m))))
(assert (sound (- b n) (- r (+ n m)) (+ f m))) (check-sat) (pop)
