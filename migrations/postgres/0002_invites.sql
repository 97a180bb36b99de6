CREATE TABLE "invite_exclusions" (
	"invite_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	CONSTRAINT "invite_exclusions_invite_id_user_id_pk" PRIMARY KEY("invite_id","user_id")
);
--> statement-breakpoint
CREATE INDEX "builds_user_created" ON "builds" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE INDEX "invites_expires" ON "invites" USING btree ("expires_at");