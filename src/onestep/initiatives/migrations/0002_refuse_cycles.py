"""The database itself refuses a cycle in the hierarchy, whoever writes and whatever is written at the same time."""

from django.db import migrations

# Re-parentings are taken one after another: a transaction-level advisory lock (fit for a transaction pooler), and then, in
# READ COMMITTED, a walk that sees what the one before it has committed. The walk of a stricter isolation level would see
# the hierarchy as it was before the wait, so re-parenting is refused there. An INSERT takes no lock: nothing can have a
# row as its parent before that row is committed. Whoever also locks rows takes this lock before them
# (`services.lock_hierarchy`), or two of them could wait for each other.
CREATE = """
CREATE FUNCTION initiatives_refuse_cycle() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'the parent of an initiative is changed in READ COMMITTED only'
                USING ERRCODE = 'invalid_transaction_state';
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('onestep.initiatives.hierarchy', 0));
    END IF;
    IF EXISTS (
        WITH RECURSIVE above(id) AS (
            SELECT NEW.parent_id
            UNION
            SELECT i.parent_id FROM initiatives_initiative i JOIN above ON i.id = above.id WHERE i.parent_id IS NOT NULL
        )
        SELECT FROM above WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'initiative % would be its own ancestor', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'initiative_no_cycle';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER initiative_no_cycle_insert AFTER INSERT ON initiatives_initiative
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION initiatives_refuse_cycle();
CREATE TRIGGER initiative_no_cycle_update AFTER UPDATE OF parent_id ON initiatives_initiative
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)
    EXECUTE FUNCTION initiatives_refuse_cycle();
"""
DROP = """
DROP TRIGGER initiative_no_cycle_update ON initiatives_initiative;
DROP TRIGGER initiative_no_cycle_insert ON initiatives_initiative;
DROP FUNCTION initiatives_refuse_cycle();
"""


class Migration(migrations.Migration):
    """Adds the triggers."""

    dependencies = [("initiatives", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
