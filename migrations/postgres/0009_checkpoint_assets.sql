CREATE TABLE "asset_marks" (
	"checkpoint_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C" NOT NULL,
	"state" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "asset_spans" (
	"project_id" text COLLATE "C" NOT NULL,
	"asset_id" text COLLATE "C" NOT NULL,
	"version" bigint NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"first_state" bigint NOT NULL,
	"end_state" bigint,
	CONSTRAINT "asset_spans_asset_id_first_state_pk" PRIMARY KEY("asset_id","first_state")
);
--> statement-breakpoint
CREATE INDEX "asset_marks_project" ON "asset_marks" USING btree ("project_id","state");--> statement-breakpoint
CREATE INDEX "asset_spans_project" ON "asset_spans" USING btree ("project_id","end_state");