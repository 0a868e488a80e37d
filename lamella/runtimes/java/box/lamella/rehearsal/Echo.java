package lamella.rehearsal;

import java.util.Map;

/** The function of the rehearsal: not in the jar, so that it is loaded as a function is. */
public class Echo {
    public Object handle(Map<String, Object> event) {
        return event;
    }
}
