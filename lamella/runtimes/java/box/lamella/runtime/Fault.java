package lamella.runtime;

/** Carries a failure to where it is told. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;

    final transient Failure failure;

    Fault(Failure failure) {
        super(null, null, false, false);
        this.failure = failure;
    }
}
