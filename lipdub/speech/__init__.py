"""Speech: audio features, phones, recognition, coarticulation, transcripts and export."""
