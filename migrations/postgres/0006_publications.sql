CREATE TABLE "slugs" (
	"slug" text COLLATE "C" PRIMARY KEY NOT NULL,
	"project_id" text COLLATE "C",
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "publications" ADD COLUMN "access" text COLLATE "C" DEFAULT 'public' NOT NULL;--> statement-breakpoint
ALTER TABLE "publications" ADD COLUMN "cross_origin_isolated" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "slugs_project" ON "slugs" USING btree ("project_id");--> statement-breakpoint
CREATE INDEX "publications_build" ON "publications" USING btree ("build_id");